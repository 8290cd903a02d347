"""One application for each database, shared by many tests and emptied between them: a database of its own for each
test would take longer than most of the tests. A conftest that imports these fixtures replaces `app` for its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import delete, update

from app import create_worker_app
from app.config import Settings
from app.database import transaction
from app.extensions import db, redis
from app.models import Job, Message, Thread, User, WorkerLease
from tests.conftest import postgres_copy, sqlite_copy
from tests.support import hubs

MakeSharedSettings = Callable[..., Settings]
MakeApp = Callable[..., Flask]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated database: once a SQLite file, once a PostgreSQL database."""
    if request.param == "sqlite":
        return sqlite_copy(request.getfixturevalue("migrated"), tmp_path_factory.mktemp("shared"))
    return postgres_copy(request.getfixturevalue("postgres"), request.getfixturevalue("migrated_postgres"))


@pytest.fixture(scope="session")
def shared_settings(
    shared_database_url: str, valkey: str, tmp_path_factory: pytest.TempPathFactory
) -> MakeSharedSettings:
    """Settings for the shared database and Valkey; keyword arguments replace values."""
    folder = tmp_path_factory.mktemp("data")

    def make(**changed: object) -> Settings:
        values: dict[str, object] = {
            "data_dir": folder,
            "database_url": shared_database_url,
            "redis_url": valkey,
            "secret_key": SecretStr("only for tests"),
            "scripted": True,
            "default_model": "scripted/echo",
            "rate_limits": "off",
            "heartbeat_comment_seconds": 0.05,
            "recheck_seconds": 0.1,
        }
        return Settings(_env_file=None, **(values | changed))

    return make


@pytest.fixture(scope="session")
def shared_app(shared_settings: MakeSharedSettings) -> Iterator[Flask]:
    application = create_worker_app(shared_settings())
    yield application
    hubs.await_ended()
    with application.app_context():
        db.engine.dispose()


@pytest.fixture
def make_app(shared_settings: MakeSharedSettings) -> Iterator[MakeApp]:
    """Further applications on the shared database, for other settings: `make_app(redis_url=…)`."""
    made: list[Flask] = []

    def make(**changed: object) -> Flask:
        made.append(create_worker_app(shared_settings(**changed)))
        return made[-1]

    yield make
    for application in made:
        with application.app_context():
            redis().close()
            db.engine.dispose()


@pytest.fixture
def app(shared_app: Flask) -> Iterator[Flask]:
    """The shared application, its tables and its Valkey empty, its context pushed."""
    with shared_app.app_context():
        empty()
        yield shared_app


def empty() -> None:
    """Remove every row, and every key of the Valkey that the tests share."""
    redis().flushdb()
    with transaction() as session:
        session.execute(update(Message).values(parent_id=None, job_id=None))
        for table in (Job, Thread, User, WorkerLease):
            session.execute(delete(table))
