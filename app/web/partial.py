"""Answers to scripts, which say HX-Request and get a fragment, and to forms, which get pages."""

from __future__ import annotations

from flask import Response, request
from werkzeug import Response as AnyResponse

from app.web.visitor import see


def is_partial() -> bool:
    """Whether a script asks."""
    return "HX-Request" in request.headers


def varied(response: Response) -> Response:
    """A response that depends on who asks."""
    response.vary.add("HX-Request")
    return response


def lead(path: str) -> AnyResponse:
    """Go on to another page: a script would follow a redirect by itself, and stay on the page it is on."""
    return Response(status=200, headers={"HX-Redirect": path}) if is_partial() else see(path)
