"""A response's events on the wire: server-sent events as OpenAI's SDK reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from flask import Response, stream_with_context

from app.responses import complaints
from app.responses.events import Event
from app.stream import sse

# Made once: json.dumps makes one for each call that is not plain ASCII, which takes longer than the encoding.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def response(events: Iterable[Event | None]) -> Response:
    """An open stream of `events`."""
    return Response(stream_with_context(frames(events)), mimetype="text/event-stream", headers=sse.HEADERS)


def frames(events: Iterable[Event | None]) -> Iterator[bytes]:
    """The body of a stream. What goes wrong once it is open is said in it, where the SDK raises it as an APIError."""
    try:
        for event in events:
            yield sse.HEARTBEAT if event is None else frame(event)
    except Exception as error:
        # Without a number: it is none of the response's events, and the next one asked for is still the next.
        yield frame({"type": "error", "error": complaints.told(error).error})


def frame(event: Event) -> bytes:
    """One event."""
    return f"event: {event['type']}\ndata: {encode(event)}\n\n".encode()


def encode(event: Event) -> str:
    """One event as JSON."""
    return _ENCODER.encode(event)
