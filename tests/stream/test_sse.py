from __future__ import annotations

import json

from app.stream import events, sse
from app.stream.events import Event


def fields(frame: bytes) -> dict[str, str]:
    """The fields of one frame, which ends with the only empty line in it."""
    text = frame.decode()
    assert text.endswith("\n\n")
    assert text.index("\n\n") == len(text) - 2
    return dict(line.split(": ", 1) for line in text[:-2].split("\n"))


def test_a_frame_has_the_cursor_the_type_and_the_event() -> None:
    event = Event(events.DELTA, "t", "m", 2, {"offset": 3, "text": "a\nb\r\nc\u2028d 🎈"}, "17-0")
    frame = sse.frame(event)
    assert frame.count(b"\n") == 4
    lines = frame.decode().split("\n")
    assert lines[:2] == ["id: 17-0", "event: message.delta"]
    sent = json.loads(lines[2].removeprefix("data: "))
    assert sent == {
        "type": "message.delta",
        "thread_id": "t",
        "message_id": "m",
        "attempt": 2,
        "offset": 3,
        "text": "a\nb\r\nc\u2028d 🎈",
    }


def test_an_event_that_stands_in_no_log_has_no_id() -> None:
    frame = fields(sse.frame(Event(events.THREAD_UPDATED, "t", fields={"thread": {}})))
    assert frame.keys() == {"event", "data"}
    assert "message_id" not in json.loads(frame["data"])


def test_a_stream_begins_with_the_pause_before_a_reconnect_and_shows_heartbeats_as_comments() -> None:
    first, event, beat = sse.frames([Event("x", "t"), None])
    assert first == b"retry: 1000\n\n"
    assert event.startswith(b"event: x\n")
    assert beat.startswith(b":")
    assert beat.endswith(b"\n\n")
