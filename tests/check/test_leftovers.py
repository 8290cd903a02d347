"""What must not be left behind, G11, and what must not be told, G12."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.auth import secrets
from app.extensions import celery, redis, settings
from app.ids import new_id
from app.jobs import queue
from app.stream.log import Keys
from tests.check.conftest import Check
from tests.check.story import Story, Transcript


def measured(folder: Path, before: dict[str, float], after: dict[str, float]) -> Path:
    path = folder / "resources.json"
    path.write_text(json.dumps({"before": before, "after": after}))
    return path


def test_resources_that_are_back_where_they_were(check: Check, tmp_path: Path) -> None:
    before = {"connections": 5, "threads": 100, "web memory": 100e6}
    after = {"connections": 7, "threads": 96, "web memory": 60e6}
    report = check("--resources", measured(tmp_path, before, after))
    assert (report.code, report.outcome("G11")) == (0, "held")
    assert "3 resources" in report.about("G11")[0]


@pytest.mark.parametrize(("before", "after"), [(5, 8), (100, 106), (100e6, 106e6), (20, 15)])
def test_resources_that_are_not(check: Check, tmp_path: Path, before: float, after: float) -> None:
    report = check("--resources", measured(tmp_path, {"open files": before}, {"open files": after}))
    assert report.code == 1
    assert report.says("G11", f"open files: was {before:g}, is {after:g}")


def test_a_log_that_never_expires(check: Check, story: Story) -> None:
    assert check().outcome("G11") == "not observable"
    redis().persist(Keys(str(story.thread_id)).fence)
    assert check().says("G11", f"{Keys(str(story.thread_id)).fence}: never expires")


def test_what_waits_on_the_broker_is_counted(check: Check, story: Story) -> None:
    assert "wake-ups waiting: 0 in maintenance, 3 in replies" in check().about("G11")[0]


def test_a_task_that_is_told_more_than_a_jobs_id(check: Check, story: Story) -> None:
    for arguments in ([str(new_id()), "and more"], ["no id"], [{"prompt": "hello"}]):
        celery.send_task("tasks.process_message", arguments, queue=queue.REPLIES)
        report = check()
        assert report.code == 1
        assert report.says("G12", "replies: holds a task that is told more than a job's id")
        redis().delete(queue.REPLIES)
    celery.send_task("tasks.process_message", [], {"job_id": str(new_id())}, queue=queue.REPLIES)
    assert check().violated == {"G12"}
    redis().delete(queue.REPLIES)
    celery.send_task("tasks.clean_up", queue=queue.MAINTENANCE)
    assert check().violated == set()


def test_a_canary_in_a_task_although_its_body_is_encoded(check: Check, app: object) -> None:
    celery.send_task("tasks.process_message", ["Käse canary"], queue=queue.REPLIES)
    assert check("--canary", "Käse canary").says("G12", "replies: holds canary 1")


@pytest.mark.parametrize("kind", ["string", "list", "hash", "set", "zset", "stream", "name"])
def test_a_secret_in_any_key(check: Check, app: object, kind: str) -> None:
    key = secrets.new_key()
    {
        "string": lambda: redis().set("k", f"x{key}"),
        "list": lambda: redis().rpush("k", "other", f" {key}"),
        "hash": lambda: redis().hset("k", "field", f" {key}"),
        "set": lambda: redis().sadd("k", f" {key}"),
        "zset": lambda: redis().zadd("k", {f" {key}": 1}),
        "stream": lambda: redis().xadd("k", {"e": f" {key}"}),
        "name": lambda: redis().set(f"limit/{key}", "1"),
    }[kind]()
    report = check("--canary", key)
    assert report.code == 1
    assert report.outcome("G12") == "VIOLATED"
    assert key not in report.stdout


def log_file(folder: Path, *lines: str) -> Path:
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    (logs / "web.log").write_text("\n".join(["fine", *lines]) + "\n")
    return logs


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (lambda: f'{{"event": "in with {secrets.new_key()}"}}', "an API key"),
        (lambda: '{"headers": {"Authorization": "Basic abc"}}', "an Authorization header"),
        (lambda: "curl -H 'bearer abcdefghij'", "an Authorization header"),
        (lambda: "Cookie: a=b", "a cookie"),
        (lambda: "session=.eJwlzjEOwzAIAMC_MHcwGGzIZyIwoHZN2qnq3xup49347rz9", "a cookie"),
        (lambda: secrets.hash_password("hunter2"), "a password's hash"),
        (lambda: f"signed with {settings().secret_key.get_secret_value()}", "SECRET_KEY"),
        (lambda: "x correct horse x", "canary 1"),
        (lambda: '{"event": "multi\\nline"}', "canary 2"),
    ],
)
def test_a_secret_in_a_log(check: Check, tmp_path: Path, line: Any, said: str) -> None:
    logs = log_file(tmp_path, line())
    report = check("--logs", logs, "--canary", "correct horse", "--canary", "multi\nline")
    assert report.code == 1
    assert report.says("G12", f"web.log:2: holds {said}"), report.stdout


def test_logs_that_tell_nothing(check: Check, tmp_path: Path) -> None:
    logs = log_file(tmp_path, '{"event": "request", "route": "/api/session"}', "no authorization was given", "cookies!")
    (logs / "holdfast.db").write_text(secrets.new_key())  # no log
    report = check("--logs", logs, "--canary", "hunter2")
    assert (report.code, report.outcome("G12")) == (0, "held")
    assert "1 log files" in report.about("G12")[0]


def test_what_clients_posted_stands_in_no_log(check: Check, tmp_path: Path, story: Story) -> None:
    posts = Transcript(tmp_path / "transcripts", story.user_id, via="post", id_="")
    posts.write(posted={"status": 422, "content": "A long and private story of mine"})
    logs = log_file(tmp_path, '{"event": "refused: A long and private story of mine"}')
    report = check("--logs", logs, "--transcripts", posts.path.parent)
    assert report.says("G12", "web.log:2: holds what a client posted")
