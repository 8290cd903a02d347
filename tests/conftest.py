"""What every test can ask for: real databases, a real Valkey, an application bound to both, and whole stacks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from flask_migrate import upgrade
from pydantic import SecretStr

from app import create_app
from app.config import Settings
from app.extensions import db
from tests.support.copy import ROOT
from tests.support.postgres import PostgresUnavailable, Server, running_postgres
from tests.support.stack import Stack, running_stack
from tests.system.scene import MakeScene, Scene, running_scene

MakeSettings = Callable[..., Settings]
MakeStack = Callable[..., AbstractContextManager[Stack]]

DATABASES = ("sqlite", "postgresql")
# Fixtures that start processes.
STACKS = frozenset({"stack", "make_stack", "make_scene"})

_HOME = tempfile.mkdtemp(prefix="holdfast-tests-")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs whole stacks, `make test` runs on one of the databases, by turns; `make chaos` runs it on both."""
    ids, turns = {item.nodeid for item in items}, dict[str, str]()
    for item in items:
        name = item.nodeid.replace("postgresql", "sqlite")
        on_both = "sqlite" in name and {name, name.replace("sqlite", "postgresql")} <= ids
        has_stack = isinstance(item, pytest.Function) and not STACKS.isdisjoint(item.fixturenames)
        if not on_both or not has_stack or item.get_closest_marker("chaos"):
            continue
        if turns.setdefault(name, DATABASES[len(turns) % 2]) not in item.nodeid:
            item.add_marker("chaos")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-faults", type=os.path.abspath, help="file that gets what the fault tests have shown")


def pytest_configure(config: pytest.Config) -> None:
    """No test may touch a developer's own data or settings; nothing of the app has read any yet."""
    os.environ["DATA_DIR"] = _HOME
    if not config.getoption("numprocesses", None):  # with -n each process does this for itself
        os.chdir(_HOME)


def pytest_sessionfinish() -> None:
    os.chdir(ROOT)
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server. Where none can start the test is skipped, but never in CI."""
    try:
        with running_postgres() as server:
            yield server
    except PostgresUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgres(postgres_server: Server) -> str:
    """Its URL."""
    return postgres_server.url


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey's URL, shared by the tests that leave it alone."""
    stack = Stack(tmp_path_factory.mktemp("valkey"), "", {})
    stack.start_valkey()
    yield stack.redis_url
    stack.end()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> str:
    """The name of a migrated PostgreSQL database to copy."""
    with psycopg.connect(_plain(postgres), autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_holdfast")
    _migrate(_sibling(postgres, "template_holdfast"))
    return "template_holdfast"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of the test's own: once a SQLite file, once a PostgreSQL database."""
    if request.param == "sqlite":
        return sqlite_copy(request.getfixturevalue("migrated"), tmp_path)
    return postgres_copy(request.getfixturevalue("postgres"), request.getfixturevalue("migrated_postgres"))


@pytest.fixture
def make_settings(tmp_path: Path, database_url: str, valkey: str) -> MakeSettings:
    """Settings for this test's database and the shared Valkey; keyword arguments replace values."""

    def make(**changed: object) -> Settings:
        values: dict[str, object] = {
            "data_dir": tmp_path,
            "database_url": database_url,
            "redis_url": valkey,
            "secret_key": SecretStr("only for tests"),
            "scripted": True,
            "default_model": "scripted/echo",
            "rate_limits": "off",
        }
        return Settings(_env_file=None, **(values | changed))

    return make


@pytest.fixture
def app(make_settings: MakeSettings) -> Iterator[Flask]:
    """The application, its context pushed."""
    application = create_app(make_settings())
    with application.app_context():
        yield application
        db.engine.dispose()


@pytest.fixture
def make_stack(tmp_path: Path, database_url: str) -> MakeStack:
    """Real processes on this test's database: `with make_stack(workers=2, LEASE_SECONDS="3") as stack:`."""

    def make(**settings: object) -> AbstractContextManager[Stack]:
        return running_stack(tmp_path / "stack", database_url, **settings)

    return make


@pytest.fixture
def make_scene(tmp_path: Path, database_url: str) -> MakeScene:
    """Real processes and a provider: `with make_scene(workers=2, proxied={"redis"}, LEASE_SECONDS="3") as scene:`."""

    def make(
        *, workers: int = 1, proxied: Collection[str] = (), check: bool = True, **settings: str
    ) -> AbstractContextManager[Scene]:
        plan = {"workers": workers, "proxied": set(proxied), "check": check}
        return running_scene(tmp_path / "scene", database_url, **plan, settings=settings)

    return make


def sqlite_copy(template: Path, folder: Path) -> str:
    """A copy of the migrated file, as a URL."""
    return f"sqlite:///{shutil.copy(template, folder / 'holdfast.db')}"


def postgres_copy(server: str, template: str) -> str:
    """A copy of the migrated database on `server`, as a URL."""
    name = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return _sibling(server, name)


def _migrate(url: str) -> None:
    application = create_app(Settings(_env_file=None, database_url=url, secret_key=SecretStr("only for tests")))
    with application.app_context():
        upgrade()
        db.engine.dispose()


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def _sibling(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"
