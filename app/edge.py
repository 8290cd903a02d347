"""What happens around every request: its id, its log line, security headers, and CORS for those named."""

from __future__ import annotations

import re
import time
from uuid import uuid4

import structlog
from flask import Flask, Response, g, request

from app.config import Settings

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# The documentation's scripts come from a wheel, on our own origin, but its page starts them inline.
_DOCS = "/api/docs"
_DOCS_CSP = _CSP.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
_CORS_PATHS = ("/api/", "/v1/")
_CORS = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-Id",
    "Access-Control-Expose-Headers": "Location, Retry-After, X-Request-Id, ETag, Idempotent-Replayed, "
    "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset",
    "Access-Control-Max-Age": "600",
}
# For the many headers by which OpenAI's SDK describes itself and its retries.
_ANY = {"Access-Control-Allow-Headers": _CORS["Access-Control-Allow-Headers"] + ", *"}

log = structlog.get_logger(__name__)


def init_app(app: Flask, settings: Settings) -> None:
    """Register it all."""
    app.before_request(_begin)
    app.before_request(lambda: _preflight(settings))
    app.after_request(_end)
    app.after_request(lambda response: _secure(response, settings))
    app.after_request(lambda response: _share(response, settings))


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
    g.began = time.monotonic()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    if response.status_code < 400:
        # The rate limiter adds it to every answer, where clients would take it for advice when to come again.
        response.headers.pop("Retry-After", None)
    # The rule, not the path: a path may hold a secret, such as a share's token.
    rule = request.url_rule.rule if request.url_rule is not None else None
    milliseconds = round((time.monotonic() - g.began) * 1000, 1)
    log.info("request", method=request.method, route=rule, status=response.status_code, ms=milliseconds)
    return response


def _secure(response: Response, settings: Settings) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", _DOCS_CSP if request.path.startswith(_DOCS) else _CSP)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")
    if settings.secure_cookies:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response


def _preflight(settings: Settings) -> Response | None:
    if request.method == "OPTIONS" and _allowed(settings) and "Access-Control-Request-Method" in request.headers:
        return Response(status=204, headers=_CORS | (_ANY if request.path.startswith("/v1/") else {}))
    return None


def _share(response: Response, settings: Settings) -> Response:
    """Named origins may call with a Bearer key; never with cookies, for which Allow-Credentials would be needed."""
    if settings.cors_origins and request.path.startswith(_CORS_PATHS):
        response.vary.add("Origin")
        if _allowed(settings):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = _CORS["Access-Control-Expose-Headers"]
    return response


def _allowed(settings: Settings) -> bool:
    return request.path.startswith(_CORS_PATHS) and request.headers.get("Origin") in settings.cors_origins
