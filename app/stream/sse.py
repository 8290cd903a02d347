"""The wire format of server-sent events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask import Response, stream_with_context

from app.stream.events import Event

HEARTBEAT = b": still here\n\n"
RETRY_MS = 1000
RETRY = f"retry: {RETRY_MS}\n\n".encode()

HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


def frame(event: Event) -> bytes:
    """One event; an event that stands in no log has no id, so that a reader resumes from the last one that does."""
    identity = f"id: {event.cursor}\n" if event.cursor else ""
    return f"{identity}event: {event.type}\ndata: {event.json()}\n\n".encode()


def line(event: Event | None) -> bytes:
    """One event, or the comment that None, a heartbeat, stands for."""
    return HEARTBEAT if event is None else frame(event)


def frames(events: Iterable[Event | None]) -> Iterator[bytes]:
    """The body of a stream."""
    yield RETRY
    yield from map(line, events)


def response(events: Iterable[Event | None]) -> Response:
    """An answer with all of `events`."""
    return Response(stream_with_context(frames(events)), mimetype="text/event-stream", headers=HEADERS)
