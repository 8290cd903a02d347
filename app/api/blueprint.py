"""What every group of routes under /api shares."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from flask import Flask, current_app, request
from flask.json.provider import DefaultJSONProvider
from flask_openapi.blueprint import APIBlueprint
from flask_openapi.models.tag import Tag
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from app.auth import door
from app.chat.errors import InvalidField

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# The schema itself comes with `validation_error_model`, under this name.
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ERRORS: Any = {status: {"content": _PROBLEM} for status in (400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 503)}
# What the document says of every route, and of those that nobody signs in for.
SECURITY: Any = {"security": [{"key": []}, {"session": []}]}
PUBLIC: Any = {"security": []}
# What the two event streams answer.
_TEXT = {"type": "string"}
_EVENT = {"type": "object", "properties": {"id": _TEXT, "event": _TEXT, "data": _TEXT}}
EVENTS: Any = {"content": {"text/event-stream": {"itemSchema": _EVENT}}}


class StrictJson(DefaultJSONProvider):
    """JSON as its standard has it: no NaN or Infinity, which databases refuse; no nesting that exhausts the stack."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            return super().loads(s, parse_constant=_no_constant, **kwargs)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def group(
    name: str, description: str, *, public: Set[str] = frozenset(), bodiless: Set[str] = frozenset()
) -> APIBlueprint:
    """The routes of one noun, documented under its name.

    `public`: the views that nobody signs in for; `bodiless`: those whose body may be left out.
    """
    blueprint = APIBlueprint(
        name,
        __name__,
        url_prefix="/api",
        abp_tags=[Tag(name=name, description=description)],
        abp_responses=_ERRORS,
    )
    blueprint.before_request(lambda: _admit(public))
    blueprint.before_request(lambda: _parse(bodiless))
    return blueprint


def init_app(app: Flask) -> None:
    """Read bodies strictly, everywhere."""
    app.json = StrictJson(app)


def _admit(public: Set[str]) -> None:
    """Look at who asks before anything they sent. A browser asks about OPTIONS without saying who it is."""
    if _view() not in public and request.method != "OPTIONS":
        door.who()


def _view() -> str:
    return (request.endpoint or "").rpartition(".")[2]


def _parse(bodiless: Set[str]) -> None:
    """Refuse what is no JSON object before any field of it is looked at: 413 by the size limit, 415, 400, 422."""
    if request.method not in _WITH_BODY:
        return
    body = request.get_data()
    if request.content_length is None and len(body) == request.max_content_length:
        raise RequestEntityTooLarge  # one that does not tell its length is cut at the limit, without a word
    if not body:
        if _wants_body() and _view() not in bodiless:
            raise BadRequest("The body is empty; send a JSON object.")
    elif not request.is_json:
        raise UnsupportedMediaType("Send the body as application/json.")
    elif not isinstance(_json(), dict):
        raise InvalidField("body", "must be a JSON object")


def _json() -> Any:
    try:
        return request.get_json()
    except BadRequest:
        raise BadRequest("The body is not JSON.") from None


def _wants_body() -> bool:
    return "body" in current_app.view_functions[request.endpoint or ""].__annotations__


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
