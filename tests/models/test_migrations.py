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
from app.database import transaction
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


def test_what_was_stored_before_the_newest_migration_is_there_after_it(empty: str) -> None:
    app = create_app(Settings(_env_file=None, database_url=empty, secret_key=SecretStr("only for tests")))
    with app.app_context():
        upgrade(revision="a2261bf60823")
        with transaction() as session:
            for statement in OLD_ROWS:
                session.connection().exec_driver_sql(statement)
        upgrade()
        with db.engine.connect() as connection:
            call = connection.exec_driver_sql(
                "SELECT c.name, s.text, m.content, j.settled FROM tool_calls c JOIN steps s ON s.id = c.step_id"
                " JOIN messages m ON m.id = c.message_id JOIN jobs j ON j.id = m.job_id"
            )
            assert [tuple(row) for row in call] == [("now", "It is", "It is noon.", "")]
        db.engine.dispose()


# One user's thread with a reply that called a tool, as the first tables had it.
_ID, _AT = "'0198a0000000700080000000000000{:02d}'", "'2026-11-21 12:00:00.000000'"
OLD_ROWS = [
    f"""INSERT INTO users (id, email, password_hash, preferences, created_at)
        VALUES ({_ID.format(1)}, 'a@example.org', 'x', '{{}}', {_AT})""",
    f"""INSERT INTO threads (id, user_id, metadata, settings, created_at, updated_at)
        VALUES ({_ID.format(2)}, {_ID.format(1)}, '{{}}', '{{}}', {_AT}, {_AT})""",
    f"""INSERT INTO jobs (id, task, queue, thread_id, status, attempt, crashes, waits, checkpoint, publishes,
            created_at, next_publish_at)
        VALUES ({_ID.format(3)}, 't', 'replies', {_ID.format(2)}, 'completed', 1, 0, 0, '', 1, {_AT}, {_AT})""",
    f"""INSERT INTO messages (id, thread_id, user_id, job_id, role, content, metadata, pinned, attachments, parameters,
            usage_estimated, created_at, updated_at)
        VALUES ({_ID.format(4)}, {_ID.format(2)}, {_ID.format(1)}, {_ID.format(3)}, 'assistant', 'It is noon.', '{{}}',
            false, '[]', '{{}}', false, {_AT}, {_AT})""",
    f"""INSERT INTO steps (id, job_id, number, attempt, kind, text, completed_at)
        VALUES ({_ID.format(5)}, {_ID.format(3)}, 1, 1, 'model', 'It is', {_AT})""",
    f"""INSERT INTO tool_calls (id, message_id, step_id, call_id, name, arguments, status, started_at)
        VALUES ({_ID.format(6)}, {_ID.format(4)}, {_ID.format(5)}, 'c', 'now', '{{}}', 'failed', {_AT})""",
]


def test_every_constraint_has_a_name_that_a_migration_can_drop() -> None:
    unnamed = [
        (table.name, constraint)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if constraint.name is None
    ]
    assert unnamed == []
