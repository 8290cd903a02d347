"""The events of threads on their way to one WebSocket: a thread of execution for each thread that is followed."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from uuid import UUID

import structlog
from flask import Flask, current_app

from app.api.problems import UNAVAILABLE
from app.auth import principal
from app.auth.principal import Principal
from app.chat import following
from app.chat.errors import InvalidField, NotFound
from app.stream import websocket
from app.stream.events import END_CURSOR, Event
from app.stream.hub import current_hub
from app.stream.log import order
from app.stream.steps import Following
from app.stream.subscription import Exit
from app.stream.websocket import Connection, Gone

_MOST = 100  # threads followed on one connection
_LEAVE_SECONDS = 5.0

log = structlog.get_logger(__name__)


def told(event: Event) -> str:
    """The event as SSE sends it, with its cursor: null where it stands in no log."""
    text = event.json()
    return text if "cursor" in event.fields else f'{{"cursor":{json.dumps(event.cursor)},{text[1:]}'


def refusal(code: str, detail: str, ref: str | int | None) -> str:
    """An error frame. ASCII alone: what a client sent may hold what cannot be encoded otherwise."""
    echoed = {} if ref is None else {"ref": ref}
    return json.dumps({"type": "error", "code": code, "detail": detail, **echoed})


class Feeds:
    """What one connection follows. One thread opens and closes feeds: the one that receives."""

    def __init__(self, connection: Connection, who: Principal) -> None:
        self._connection = connection
        self._who = who
        self._feeds: dict[UUID, _Feed] = {}

    def open(
        self, thread_id: UUID, after: str | None = None, *, ref: str | int | None = None, just_made: bool = False
    ) -> None:
        """Follow a thread, anew where it was followed already. Raises NotFound or InvalidField."""
        self.close(thread_id)
        if len(self) >= _MOST:
            raise InvalidField("thread_id", f"is one more than the {_MOST} that a connection may follow; unsubscribe")
        way_out = Exit()
        items = following.thread(
            current_hub(),
            self._who.user_id,
            self._who.credential,
            thread_id,
            after,
            way_out=way_out,
            just_made=just_made,
        )
        self._feeds[thread_id] = _Feed(self._connection, self._who, items, way_out, ref)

    def ensure(self, thread_id: UUID, *, ref: str | int | None = None) -> None:
        """Follow a thread unless it is followed; the client has its snapshot when this returns. Raises as `open`."""
        feed = self._feeds.get(thread_id)
        if feed is None or feed.ended:
            self.open(thread_id, ref=ref)
            self._feeds[thread_id].begun.wait()

    def close(self, thread_id: UUID) -> None:
        """Follow it no longer: none of its events is sent after this returns."""
        feed = self._feeds.pop(thread_id, None)
        if feed is not None:
            feed.leave()
            feed.join()

    def close_all(self) -> None:
        """Follow nothing any more; for a connection that has ended."""
        for feed in self._feeds.values():
            feed.leave()
        for feed in self._feeds.values():
            feed.join(_LEAVE_SECONDS)
        self._feeds.clear()

    def __len__(self) -> int:
        return sum(not feed.ended for feed in self._feeds.values())


class _Feed:
    """One thread's events, sent as they come until the client leaves, or its access ends."""

    def __init__(
        self, connection: Connection, who: Principal, items: Following, way_out: Exit, ref: str | int | None
    ) -> None:
        self.begun = threading.Event()  # the first item was sent, or none will be
        self._connection = connection
        self._who = who
        self._items = items
        self._way_out = way_out
        self._ref = ref
        self._opened_at = time.time()
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's own way
        self._thread = threading.Thread(target=self._run, args=[app], name="feed", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return not self._thread.is_alive()

    def leave(self) -> None:
        """Have it end, soon."""
        self._way_out.take()

    def join(self, seconds: float | None = None) -> None:
        """Wait for its end."""
        self._thread.join(seconds)

    def _run(self, app: Flask) -> None:
        with app.app_context(), structlog.contextvars.bound_contextvars(connection_id=str(self._connection.id)):
            try:
                self._send_all()
                self._explain()
            except Gone:
                pass
            except UNAVAILABLE as error:
                log.warning("database unavailable", error=type(error).__name__)
                self._connection.close(websocket.TRY_LATER, "the database is busy")
            except Exception:
                log.exception("feed failed unexpectedly")
                self._connection.close(websocket.INTERNAL_ERROR, "internal error")
            finally:
                self.begun.set()

    def _send_all(self) -> None:
        with closing(self._items) as items:
            for item in items:
                if self._way_out.taken:
                    return
                if item is not None:
                    self._connection.send(told(item))
                    self._connection.late(self._lag_ms(item))
                    self.begun.set()

    def _lag_ms(self, event: Event) -> float:
        """How long ago it was written; 0 for what was written before anybody followed here."""
        if event.cursor is None or event.cursor == END_CURSOR:
            return 0
        written_at = order(event.cursor)[0] / 1000
        return max(0.0, time.time() - written_at) * 1000 if written_at >= self._opened_at else 0

    def _explain(self) -> None:
        """It has ended by itself: the thread is deleted, or its reader may come in no longer."""
        if self._way_out.taken or self._connection.ending is not None:
            return
        if self._who.credential not in principal.valid({self._who.credential}):
            self._connection.close(websocket.POLICY, "signed out or revoked")
        else:
            self._connection.send(refusal(NotFound.code, str(NotFound("thread")), self._ref))
