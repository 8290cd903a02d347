"""The database cut, locked and full: what is accepted is kept once, what is refused is not there, replies end."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from tests.clients import Posted
from tests.support.stack import until
from tests.system.conftest import Measure
from tests.system.posting import words
from tests.system.scene import MakeScene, Scene, User

PATIENCE_SECONDS = 3.0
pytestmark = pytest.mark.chaos

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def say(user: User, content: str, key: str) -> httpx.Response:
    """Post once; only 202 and a problem that says when to come again are answers."""
    said = {"content": content, "model": "openai/fake-t20-r50"}
    answer = user.client.post("/api/messages", json=said, headers={"Idempotency-Key": key})
    assert answer.status_code in {202, 503}, answer.text
    if answer.status_code == 503:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["status"] == 503
    return answer


def accepted(scene: Scene, user: User, key: str, answer: httpx.Response) -> Posted:
    posted = Posted(answer.status_code, key, answer.json())
    scene.expect(user, posted)
    return posted


def insist(scene: Scene, user: User, content: str, key: str) -> httpx.Response:
    """Repeat the post until it is accepted."""

    def answer() -> httpx.Response | None:
        got = say(user, content, key)
        return got if got.status_code == 202 else None

    got: httpx.Response = until(answer, 30, "an accepted post")
    accepted(scene, user, key, got)
    return got


def said(scene: Scene) -> dict[str, int]:
    """How often each text of a user is stored."""
    engine = create_engine(scene.stack.database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT content, count(*) FROM messages WHERE role = 'user' GROUP BY content"))
        found = {row[0]: row[1] for row in rows}
    engine.dispose()
    return found


def stored(user: User, posted: Posted) -> dict[str, Any]:
    message: dict[str, Any] = user.client.get(f"/api/messages/{posted.id}").json()
    return message


@pytest.mark.fault("F12")
@only_postgresql
@pytest.mark.parametrize("seconds", [3, pytest.param(20, marks=pytest.mark.chaos)])
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


@pytest.mark.chaos
@pytest.mark.fault("F12")
@pytest.mark.timeout(400)
@only_postgresql
def test_a_post_whose_commit_has_an_unknown_outcome_is_made_once(make_scene: MakeScene, measure: Measure) -> None:
    with make_scene(proxied={"database"}) as scene:
        ada, proxy, texts, resolved = scene.user(), scene.proxies["database"], [], 0
        insist(scene, ada, "warm", "warm")
        running = scene.post(ada, "running", model="openai/fake-t600-r10")
        scene.watch(ada, running)
        for n_bytes in range(0, 4_500, 17):  # a COMMIT's answer has 18
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
        scene.settle(90)
        assert said(scene) == dict.fromkeys([*texts, "warm", "running"], 1)
        assert stored(ada, running)["content"] == words(600)


@pytest.mark.fault("F12")
@only_sqlite
@pytest.mark.parametrize("seconds", [2, pytest.param(20, marks=pytest.mark.chaos)])
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
        measure("longest post while SQLite is locked", longest, "s", "≤ 3 s")
        assert longest <= PATIENCE_SECONDS
        assert said(scene) == {"running": 1}
        for content in texts[1:]:
            insist(scene, ada, content, content)
        scene.settle(90)
        assert said(scene) == dict.fromkeys(texts, 1)
        assert [client.text(reply.id) for client in watchers] == [words(tokens)] * 3


@contextmanager
def _locked(scene: Scene) -> Iterator[None]:
    path = make_url(scene.stack.database_url).database
    with closing(sqlite3.connect(str(path), timeout=10, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def small_disk(tmp_path: Path, database_url: str) -> Iterator[Path]:
    """The database on a file system of 8 MB; its old name is a link to it."""
    disk, database = tmp_path / "small", tmp_path / "holdfast.db"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        shutil.move(database, disk / "holdfast.db")
        database.symlink_to(disk / "holdfast.db")
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.fault("F21")
@only_sqlite
def test_a_full_disk_refuses_posts_and_stores_nothing_until_there_is_room(
    small_disk: Path, make_scene: MakeScene
) -> None:
    with make_scene() as scene:
        ada = scene.user()
        reply = scene.post(ada, "running", model="openai/fake-t150-r25")
        watchers = scene.watch(ada, reply)
        for client in watchers:
            scene.first_token_after(client, 0)
        texts, refused = ["running"], []
        _fill(small_disk / "filler")
        for number in range(500):  # there is room left in the write-ahead log
            content = f"meanwhile {number} {'x' * 5_000}"
            answer = say(ada, content, str(number))
            if answer.status_code == 202:
                accepted(scene, ada, str(number), answer)
            (texts if answer.status_code == 202 else refused).append(content)
            if len(refused) == 5:
                break
        assert len(refused) == 5
        assert said(scene) == dict.fromkeys(texts, 1)
        assert ada.client.get(f"/api/messages/{reply.id}").status_code == 200
        assert ada.client.get("/api/threads").status_code == 200
        (small_disk / "filler").unlink()
        for content in refused:
            insist(scene, ada, content, content[:100])
        scene.settle(60)
        assert said(scene) == dict.fromkeys([*texts, *refused], 1)
        assert stored(ada, reply)["content"] == words(150)
        assert [client.text(reply.id) for client in watchers] == [words(150)] * 3
        with closing(sqlite3.connect(small_disk / "holdfast.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4_096)
