"""The migrations make exactly the models' tables, and take them away again."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from pydantic import SecretStr
from sqlalchemy import Engine, inspect

from app import create_app
from app.config import Settings
from app.extensions import Base, db
from tests.support.postgres import fresh_database


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return fresh_database(request.getfixturevalue("postgres"))


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


def test_an_upgrade_makes_what_the_models_say_and_a_downgrade_leaves_nothing(empty: str) -> None:
    app = create_app(Settings(_env_file=None, database_url=empty, secret_key=SecretStr("only for tests")))
    with app.app_context():
        upgrade()
        assert tables(db.engine) == set(Base.metadata.tables)
        with db.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        downgrade(revision="base")
        assert tables(db.engine) == set()
        upgrade()
        assert tables(db.engine) == set(Base.metadata.tables)
        db.engine.dispose()


def test_every_constraint_has_a_name_that_a_migration_can_drop() -> None:
    unnamed = [
        (table.name, constraint)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if constraint.name is None
    ]
    assert unnamed == []
