"""The throw-away PostgreSQL that other tests rely on."""

from __future__ import annotations

import psycopg

from tests.support.postgres import fresh_database, running_postgres


def test_it_gives_each_test_an_empty_database_and_leaves_nothing() -> None:
    with running_postgres() as server:
        first, second = (fresh_database(server.url).replace("+psycopg", "") for _ in range(2))
        with psycopg.connect(first) as connection:
            connection.execute("CREATE TABLE things (name text)")
        with psycopg.connect(second) as connection:
            assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
            assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
