"""/healthz and /readyz: for whoever watches the process."""

from __future__ import annotations

from flask import Blueprint, Response, json
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.database import reading
from app.extensions import redis

routes = Blueprint("health", __name__)


@routes.get("/healthz")
def alive() -> Response:
    """The process answers."""
    return _state(200, {"status": "ok"})


@routes.get("/readyz")
def ready() -> Response:
    """Messages can be accepted: the database answers. Redis is reported, but not needed to accept."""
    parts = {"database": _database(), "redis": _redis()}
    is_ready = parts["database"] == "ok"
    return _state(200 if is_ready else 503, {"status": "ok" if is_ready else "unavailable", **parts})


def _database() -> str:
    try:
        with reading() as session:
            session.execute(text("SELECT count(*) FROM jobs WHERE false"))
    except SQLAlchemyError as error:
        return type(error).__name__
    return "ok"


def _redis() -> str:
    try:
        redis().ping()
    except RedisError as error:
        return type(error).__name__
    return "ok"


def _state(status: int, body: dict[str, str]) -> Response:
    return Response(json.dumps(body), status, content_type="application/json", headers={"Cache-Control": "no-store"})
