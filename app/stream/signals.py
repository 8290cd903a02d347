"""Signals between processes over Redis: faster than the rows they repeat, and safe to lose."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError

CANCELS = "holdfast:cancels"
_PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)


def send_cancel(client: Redis, job_id: str) -> None:
    """Tell whichever worker runs the job to look at its row now; without Redis its heartbeat does."""
    try:
        client.publish(CANCELS, job_id)
    except RedisError as error:
        log.warning("cancel signal not sent; the heartbeat will see the row", error=type(error).__name__)


class CancelListener:
    """A worker's thread that hears cancels."""

    def __init__(self, client: Redis, cancel: Callable[[str], None]) -> None:
        self._client = client
        self._cancel = cancel
        self._stopped = threading.Event()

    def start(self) -> None:
        """Listen until `stop`."""
        threading.Thread(target=self._loop, name="cancels", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._stopped.set()

    def _loop(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except RedisError:
                self._stopped.wait(_PAUSE_SECONDS)
            except Exception:
                log.exception("listening for cancels failed")  # the next try may do better; rows are heeded meanwhile
                self._stopped.wait(_PAUSE_SECONDS)

    def _listen(self) -> None:
        with PubSub(self._client.connection_pool, ignore_subscribe_messages=True) as channel:
            channel.subscribe(CANCELS)
            while not self._stopped.is_set():
                message = channel.get_message(timeout=_PAUSE_SECONDS)
                if message is not None and message["type"] == "message":
                    self._tell(message["data"])

    def _tell(self, job_id: str) -> None:
        try:
            self._cancel(job_id)
        except ValueError:
            log.warning("not a job's id; somebody else writes to our channels")
