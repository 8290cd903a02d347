"""The database cut, locked and restarted: what is accepted is kept once, what is refused is not there, replies end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import create_engine, func, make_url, select
from sqlalchemy.pool import NullPool

from app.models import WorkerLease
from tests.support.postgres import Server
from tests.support.stack import until
from tests.system.accepting import insist, said, say, stored
from tests.system.conftest import Measure
from tests.system.posting import words
from tests.system.replies import assert_written_once, row, timed_events
from tests.system.scene import MakeScene, Scene

PATIENCE_SECONDS = 3.0
pytestmark = pytest.mark.chaos

only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.mark.fault("F12")
@only_postgresql
@pytest.mark.parametrize("seconds", [3, 20])
def test_replies_and_posts_survive_all_connections_being_terminated_again_and_again(
    make_scene: MakeScene, seconds: int
) -> None:
    tokens = 25 * (seconds + 2)
    with make_scene() as scene:
        ada = scene.user()
        replies = [scene.post(ada, f"running {n}", model=f"openai/fake-t{tokens}-r25") for n in range(3)]
        watchers = [client for reply in replies for client in scene.watch(ada, reply)]
        for client in watchers:
            scene.first_token_after(client, 0)
        texts = [f"running {n}" for n in range(3)]
        url = make_url(scene.stack.database_url)
        server = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
        killed, deadline = 0, time.monotonic() + seconds
        with psycopg.connect(server, autocommit=True) as other:
            while time.monotonic() < deadline:
                killed += len(_terminate(other, url.database))
                texts.append(f"meanwhile {len(texts)}")
                insist(scene, ada, texts[-1], uuid4().hex)
        assert killed > 5
        scene.settle(90)
        assert said(scene) == dict.fromkeys(texts, 1)
        assert [stored(ada, reply)["content"] for reply in replies] == [words(tokens)] * 3
        seen = [client.text(reply.id) for reply in replies for client in watchers if client.text(reply.id)]
        assert seen == [words(tokens)] * 9


def _terminate(other: psycopg.Connection[Any], database: str | None) -> list[Any]:
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    return other.execute(query, [database]).fetchall()


@pytest.mark.fault("F12")
@pytest.mark.timeout(400)
@only_postgresql
def test_a_post_whose_commit_has_an_unknown_outcome_is_made_once(make_scene: MakeScene, measure: Measure) -> None:
    with make_scene(workers=0, proxied={"database"}) as scene:
        ada, proxy, texts, resolved = scene.user(), scene.proxies["database"], [], 0
        scene.post(ada, "warm")
        before = proxy.answered
        scene.post(ada, "measured")
        length = proxy.answered - before
        for n_bytes in range(0, length + 30, 11):  # a COMMIT's answer has 18
            proxy.cut_after(n_bytes)
            texts.append(f"cut after {n_bytes}")
            first = say(ada, texts[-1], texts[-1])
            proxy.heal()
            again = insist(scene, ada, texts[-1], texts[-1])
            if first.status_code == 202:
                assert again.content == first.content
            elif "Idempotent-Replayed" in again.headers:
                resolved += 1
        measure("commits of unknown outcome that a repeated post resolved", resolved, "posts", "≥ 1")
        assert resolved
        scene.stack.start_worker()
        scene.settle(90)
        assert said(scene) == dict.fromkeys([*texts, "warm", "measured"], 1)


@pytest.mark.fault("F12")
@pytest.mark.parametrize("seconds", [2, 20])
def test_a_locked_database_refuses_posts_in_time_and_loses_nothing(
    make_scene: MakeScene, measure: Measure, seconds: int
) -> None:
    tokens = 25 * (seconds + 3)
    with make_scene() as scene:
        ada = scene.user()
        reply = scene.post(ada, "running", model=f"openai/fake-t{tokens}-r25")
        watchers = scene.watch(ada, reply)
        for client in watchers:
            scene.first_token_after(client, 0)
        texts, longest = ["running"], 0.0
        with _locked(scene):
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                began, content = time.monotonic(), f"meanwhile {len(texts)}"
                answer = say(ada, content, content)
                longest = max(longest, time.monotonic() - began)
                assert answer.status_code == 503
                assert ada.client.get(f"/api/messages/{reply.id}").status_code == 200
                texts.append(content)
        measure("longest post while the database is locked", longest, "s", "≤ 3 s")
        assert longest <= PATIENCE_SECONDS
        assert said(scene) == {"running": 1}
        for content in texts[1:]:
            insist(scene, ada, content, content)
        scene.settle(90)
        assert said(scene) == dict.fromkeys(texts, 1)
        assert [client.text(reply.id) for client in watchers] == [words(tokens)] * 3


@contextmanager
def _locked(scene: Scene) -> Iterator[None]:
    """Nobody else can write; reading goes on."""
    engine = create_engine(scene.stack.database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    begin = ["BEGIN EXCLUSIVE"] if engine.dialect.name == "sqlite" else ["BEGIN", "LOCK TABLE jobs IN EXCLUSIVE MODE"]
    with engine.connect() as other:
        for statement in begin:
            other.exec_driver_sql(statement)
        yield
        other.exec_driver_sql("ROLLBACK")


@pytest.mark.fault("F12")
@only_postgresql
def test_a_restart_of_the_database_delays_replies_and_refuses_posts_but_loses_neither(
    make_scene: MakeScene, measure: Measure, postgres_server: Server
) -> None:
    with make_scene() as scene:
        ada = scene.user()
        reply = scene.post(ada, "running", model="openai/fake-t400-r25")
        watchers = scene.watch(ada, reply)
        for client in watchers:
            scene.first_token_after(client, 0)
        postgres_server.stop()
        refused = [say(ada, "meanwhile", "meanwhile") for _ in range(3)]
        assert {answer.status_code for answer in refused} == {503}
        began = time.monotonic()
        postgres_server.start()
        insist(scene, ada, "meanwhile", "meanwhile")
        took = time.monotonic() - began
        measure("restart of PostgreSQL to an accepted post", took, "s", "≤ 10 s")
        assert took <= 10
        scene.settle(90)
        assert said(scene) == {"running": 1, "meanwhile": 1}
        assert stored(ada, reply)["content"] == words(400)
        assert [client.text(reply.id) for client in watchers] == [words(400)] * 3
        assert b"raised unexpected" not in scene.stack.log("worker").read_bytes()


@pytest.mark.fault("F03")
@pytest.mark.fault("F12")
@only_postgresql
def test_a_worker_that_the_database_does_not_answer_falls_silent_before_its_lease_lapses(
    make_scene: MakeScene, measure: Measure
) -> None:
    with make_scene(workers=0, proxied={"database"}) as scene:
        far = scene.stack.settings.pop("DATABASE_URL")  # through the proxy; everybody else goes without it
        scene.stack.kill("web")
        scene.stack.start_web()
        scene.stack.settings["DATABASE_URL"] = far
        scene.stack.start_worker("far")
        del scene.stack.settings["DATABASE_URL"]
        ada = scene.user()
        posted = scene.post(ada, "hello", model="openai/fake-t400-r20")
        watchers = scene.watch(ada, posted)
        scene.first_token_after(watchers.sse, 0)
        scene.stack.start_worker("near")
        scene.proxies["database"].blackhole()
        until(lambda: row(scene, posted).attempt == 2, 30, "the next attempt")
        last = max(at for at, event in timed_events(scene, posted) if event["attempt"] == 1)
        spare = lease_ended(scene, "far") - last
        measure("last event of a worker without a database, before its lease lapsed", spare, "s", "> 0.1 s")
        assert spare > 0.1
        scene.proxies["database"].heal()
        scene.settle(60)
        assert_written_once(scene, posted, words(400))
        assert row(scene, posted).outcomes == ["crashed", "completed"]
        assert [client.text(posted.id) for client in watchers] == [words(400)] * 3


def lease_ended(scene: Scene, name: str) -> float:
    """When the lease of a worker that renews it no more lapsed, in time.time()."""
    engine = create_engine(scene.stack.database_url, poolclass=NullPool)
    with engine.connect() as connection:
        mine = select(func.max(WorkerLease.expires_at)).where(WorkerLease.pid == scene.stack.processes[name].pid)
        return float(connection.scalars(mine).one().timestamp())
