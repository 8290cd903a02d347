"""Celery's events of tasks, which Flower shows, sent a few at a time."""

from __future__ import annotations

import threading
from typing import Any

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher

_SECONDS = 0.1


class Dispatcher(EventDispatcher):
    """Keeps events of tasks for a moment and sends them as one message.

    Celery does so by itself only with the event loop of its own pool of processes. Sent one by one they are three round
    trips for each reply, two of them before its first word.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"buffer_group": frozenset({"task"}), "on_send_buffered": self._soon})
        self._is_due = False

    def _soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            timer = threading.Timer(_SECONDS, self._send)
            timer.daemon = True
            timer.start()

    def _send(self) -> None:
        self._is_due = False
        self.flush()


class Events(CeleryEvents):
    """What Celery asks for its dispatcher."""

    dispatcher_cls = f"{__name__}:{Dispatcher.__name__}"
