"""The lanes of one WebSocket: on each, responses one after the other; beside each other, as many as there are lanes."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import structlog
from flask import Flask, current_app

from app.auth.principal import Principal
from app.chat.items import Given
from app.ids import new_id
from app.responses import complaints, creating, given, ordering, streaming
from app.responses.complaints import Complaint
from app.responses.events import Event
from app.responses.ordering import Order
from app.responses.parameters import Create
from app.stream.websocket import Connection, Gone

MOST_LANES = 32  # with names; the one without comes on top
_MOST_WAITING = 100  # requests of one connection, on all its lanes
_MOST_AT_ONCE = 16
_MOST_KEPT = 16


class Lanes:
    """What one connection has asked for. Its threads end with the connection."""

    def __init__(self, who: Principal, connection: Connection, request_id: str) -> None:
        self.who = who
        self.request_id = request_id
        self.kept = Kept()
        self.at_once = threading.Semaphore(_MOST_AT_ONCE)
        self._connection = connection
        self._lanes: dict[str | None, _Lane] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for lane in self._lanes.values():
            lane.end()

    def put(self, create: Create, stream_id: str | None) -> None:
        """Have a response made once those before it on its lane have ended. Raises Complaint."""
        if stream_id not in self._lanes and stream_id is not None and len(self._lanes.keys() - {None}) >= MOST_LANES:
            raise Complaint(
                f"A connection may have {MOST_LANES} streams; use one of them again.",
                param="stream_id",
                code="websocket_stream_limit_reached",
            )
        if sum(len(lane) for lane in self._lanes.values()) >= _MOST_WAITING:
            raise Complaint(
                f"There are {_MOST_WAITING} requests waiting on this connection; wait for some of them.",
                status=429,
                code="rate_limit_exceeded",
            )
        if stream_id not in self._lanes:
            self._lanes[stream_id] = _Lane(self, self._connection, stream_id)
        self._lanes[stream_id].put(create)


class Kept:
    """The items up to responses that are not stored, for requests on this connection that go on from one of them."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, tuple[Given, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def resolved(self, create: Create) -> Order:
        """What is asked for, going on from what is kept here where that is meant."""
        ordered = ordering.order(create)
        earlier = self._items.get(create.previous_response_id or "")
        return ordered if earlier is None else ordered.after(tuple(map(_anew, earlier)))

    def keep(self, ordered: Order, response: Mapping[str, Any]) -> None:
        """Keep what led to a response that is gone from everywhere else."""
        brought = tuple(item for _, item in given.items(list(response["output"])))
        with self._lock:
            self._items[response["id"]] = (*ordered.asked.items, *brought)
            while len(self._items) > _MOST_KEPT:
                self._items.popitem(last=False)


def _anew(item: Given) -> Given:
    """The same, to be put in once more: what is stored of it gets ids of its own."""
    attachments = tuple(replace(one, id=new_id()) for one in item.attachments)
    return replace(item, attachments=attachments, calls=tuple(replace(one, id=new_id()) for one in item.calls))


class _Lane:
    """One lane, with the thread that serves it."""

    def __init__(self, lanes: Lanes, connection: Connection, stream_id: str | None) -> None:
        self._lanes = lanes
        self._connection = connection
        self._stream_id = stream_id
        self._waiting: deque[Create] = deque()
        self._arrived = threading.Condition()
        self._ended = False
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's own way
        threading.Thread(target=self._run, args=[app], name="lane", daemon=True).start()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, create: Create) -> None:
        with self._arrived:
            self._waiting.append(create)
            self._arrived.notify()

    def end(self) -> None:
        with self._arrived:
            self._ended = True
            self._arrived.notify()

    def _run(self, app: Flask) -> None:
        bound = {"connection_id": str(self._connection.id), "request_id": self._lanes.request_id}
        with app.app_context(), structlog.contextvars.bound_contextvars(**bound):
            try:
                while (create := self._next()) is not None:
                    with self._lanes.at_once:
                        self._serve(create)
            except Gone:
                pass

    def _next(self) -> Create | None:
        with self._arrived:
            self._arrived.wait_for(lambda: self._waiting or self._ended)
            return None if self._ended else self._waiting.popleft()

    def _serve(self, create: Create) -> None:
        """One response, from its acceptance to its end. Raises Gone."""
        try:
            self._respond(create)
        except Gone:
            raise
        except Exception as error:
            self._send(refusal(error, self._stream_id))

    def _respond(self, create: Create) -> None:
        ordered = self._lanes.kept.resolved(create)
        who, parameters = self._lanes.who, ordered.asked.parameters
        reply = ordering.accept(who, ordered, request_id=self._lanes.request_id)
        last: Event | None = None
        with closing(creating.events(who, reply, parameters, creating.FROM_THE_START)) as events:
            for event in events:
                if event is not None:
                    last = self._send(event)
                elif self._connection.ending is not None:
                    raise Gone
        if not create.stored and last is not None:
            self._lanes.kept.keep(ordered, last["response"])

    def _send(self, event: Event) -> Event:
        named = {} if self._stream_id is None else {"stream_id": self._stream_id}
        self._connection.send(streaming.encode(event | named))
        return event


def refusal(error: Exception, stream_id: str | None) -> Event:
    """The event that tells of a request that was refused, or of a stream that broke off."""
    complaint = complaints.told(error)
    told: Event = {"type": "error", "status": complaint.status, "error": complaint.error}
    return told | ({"stream_id": stream_id} if stream_id is not None else {})
