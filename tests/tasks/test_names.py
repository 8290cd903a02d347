"""The app names its tasks instead of importing them: every name it enqueues must be known to the worker."""

from __future__ import annotations

import ast
from pathlib import Path

import celeryconfig
from app.chat import sending
from tests.support.copy import ROOT
from workers.celery_app import celery as light
from workers.worker import celery


def names_in_app() -> set[str]:
    """Every string in app/ that looks like the name of a task."""
    found = set()
    for path in Path(ROOT, "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("tasks."):
                found.add(node.value)
    return found


def test_every_task_the_app_names_is_registered_in_the_worker() -> None:
    assert sending.PROCESS_MESSAGE in names_in_app()
    assert names_in_app() <= set(celery.tasks)


def test_every_scheduled_task_is_registered_and_expires_before_it_is_due_again() -> None:
    for entry in celeryconfig.beat_schedule.values():
        assert entry["task"] in celery.tasks
        assert entry["options"]["expires"] < entry["schedule"]
        assert entry["options"]["queue"] in {queue.name for queue in celeryconfig.task_queues}


def test_nothing_is_acknowledged_late_delayed_or_kept_as_a_result() -> None:
    for name in ("tasks.process_message", "tasks.clean_up"):
        task = celery.tasks[name]
        assert (task.acks_late, task.ignore_result, task.max_retries) == (False, True, 0)
    assert celery.conf.result_backend is None
    assert celery.conf.accept_content == ["json"]
    assert celery.conf.task_create_missing_queues is False


def test_beat_and_flower_read_the_same_settings_as_the_worker() -> None:
    for name in ("beat_schedule", "task_queues", "worker_send_task_events"):
        assert light.conf[name] == celery.conf[name]
    # The worker's application is bound to the broker of its settings; in this process tests have bound it to theirs.
    assert light.conf.broker_url == celeryconfig.broker_url
