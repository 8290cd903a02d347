"""What every group of routes under /api shares."""

from __future__ import annotations

from typing import Any

from flask import Flask, request
from flask.json.provider import DefaultJSONProvider
from flask_openapi.blueprint import APIBlueprint
from flask_openapi.models.tag import Tag
from werkzeug.exceptions import UnsupportedMediaType

from app.api.problems import Problem

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_ERRORS: Any = dict.fromkeys((401, 403, 404, 422, 429, 503), Problem)
SECURITY: list[dict[str, list[Any]]] = [{"key": []}, {"session": []}]


class StrictJson(DefaultJSONProvider):
    """JSON as its standard has it: no NaN or Infinity, which databases refuse; no nesting that exhausts the stack."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            return super().loads(s, parse_constant=_no_constant, **kwargs)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def group(name: str, description: str, *, public: bool = False) -> APIBlueprint:
    """The routes of one noun, documented under its name."""
    blueprint = APIBlueprint(
        name,
        __name__,
        url_prefix="/api",
        abp_tags=[Tag(name=name, description=description)],
        abp_security=None if public else SECURITY,
        abp_responses=_ERRORS,
    )
    blueprint.before_request(_parse)
    return blueprint


def init_app(app: Flask) -> None:
    """Read bodies strictly, everywhere."""
    app.json = StrictJson(app)


def _parse() -> None:
    """Refuse what is not JSON before any field of it is looked at: 415, 400, and 413 by the size limit."""
    if request.method not in _WITH_BODY or not request.get_data():
        return
    if not request.is_json:
        raise UnsupportedMediaType("Send the body as application/json.")
    request.get_json()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
