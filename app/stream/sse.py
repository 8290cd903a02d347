"""The wire format of server-sent events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask import Response, stream_with_context

from app.stream.events import Event

HEARTBEAT = b": still here\n\n"
RETRY_MS = 1000

HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


def frame(event: Event) -> bytes:
    """One event; an event that stands in no log has no id, so that a reader resumes from the last one that does."""
    identity = f"id: {event.cursor}\n" if event.cursor else ""
    return f"{identity}event: {event.type}\ndata: {event.json()}\n\n".encode()


def frames(events: Iterable[Event | None]) -> Iterator[bytes]:
    """The body of a stream; None stands for a heartbeat."""
    yield f"retry: {RETRY_MS}\n\n".encode()
    for event in events:
        yield HEARTBEAT if event is None else frame(event)


def response(events: Iterable[Event | None]) -> Response:
    """An open stream of `events`."""
    return Response(stream_with_context(frames(events)), mimetype="text/event-stream", headers=HEADERS)
