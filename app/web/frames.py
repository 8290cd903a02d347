"""A thread's events as HTML: each frame holds those parts of the page that have changed, as the page shows them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from flask import render_template

from app.chat import reading, snapshots, threads
from app.chat.objects import MessageObject, ToolInvocation
from app.extensions import settings
from app.models import ACTIVE, Status
from app.stream import events, sse
from app.stream.events import Event
from app.web import history
from app.web.growing import Growing

# What comes within this time goes out together: a reader sees no difference, and each frame costs both ends.
_TOGETHER_SECONDS = 0.05
# A long block that is still open is sent whole with each frame: no more than so many characters a second.
_OPEN_CHARS_A_SECOND = 40_000
# Long, so that no proxy holds it back: a page that does not hear it soon takes to polling.
_READY = f"retry: {sse.RETRY_MS}\nevent: ready\ndata: {'.' * 2048}\n\n".encode()

_TEXT = {events.DELTA, events.RESET}
_MOVES = {events.CREATED, events.THREAD_UPDATED}
_LINE_END = re.compile(r"\r\n|\r|\n")


class Frames:
    """What one reader's page of a thread is sent."""

    def __init__(self, user_id: UUID, thread_id: UUID) -> None:
        self._user_id = user_id
        self._thread_id = thread_id
        self._texts: dict[str, Growing] = {}
        self._shown: set[str] = set()  # nothing is known of a page that comes with a cursor
        self._has_unread = False
        self._grown: dict[str, Growing] = {}
        self._is_stale = False
        self._cursor: str | None = None
        self._sent_at = self._due_at = 0.0

    def patience(self) -> float:
        """Seconds until something must go out."""
        if self._is_stale or self._grown:
            return max(0.0, self._due_at - time.monotonic())
        return settings().heartbeat_comment_seconds

    def of(self, items: Iterable[Event | None]) -> Iterator[bytes]:
        """The body of the stream; None stands for silence."""
        yield _READY
        for item in items:
            frame = self._told(item) if item is not None else b""
            if not frame and time.monotonic() >= self._due_at:
                frame = self._flushed()
            if frame:
                yield frame
            elif item is None:
                yield sse.HEARTBEAT

    def _told(self, event: Event) -> bytes:
        """Takes in an event; the frame of one that cannot wait, with all that waited before it."""
        if event.cursor != events.END_CURSOR:
            self._cursor = event.cursor or self._cursor
        if event.type in _TEXT:
            self._grow(event)
        elif event.type == events.THREAD_SNAPSHOT:
            self._take(event.fields["messages"])
            return self._page()
        elif event.type in _CHANGES and not self._moves(event):
            return self._page() if self._is_stale else self._change(event)
        elif event.type in _CHANGES or event.type in _MOVES:
            self._due_at, self._is_stale = time.monotonic() + _TOGETHER_SECONDS, True
        return b""

    def _moves(self, event: Event) -> bool:
        """Whether more than this one message changes its place on the page."""
        taken_back = event.type == events.CANCELLED and event.attempt == 0
        return taken_back or event.message_id not in self._shown or (event.is_terminal and self._has_unread)

    def _take(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """The texts of a snapshot, which the log has lengthened."""
        running = [each for each in messages if each["role"] == "assistant" and each["status"] in ACTIVE]
        self._texts = {each["id"]: Growing(each["attempt"], each["content"]) for each in running}
        self._grown = {}

    def _grow(self, event: Event) -> None:
        id_, offset, text = str(event.message_id), event.fields["offset"], event.fields["text"]
        known = self._texts.get(id_)
        if event.type == events.RESET:
            known = Growing(event.attempt, text)
        elif known is None or known.attempt < event.attempt:
            known = Growing(event.attempt)
        if not known.join(offset, text if event.type == events.DELTA else ""):
            known = self._whole(event)
        if not (self._is_stale or self._grown):
            pause = max(_TOGETHER_SECONDS, known.open_chars / _OPEN_CHARS_A_SECOND)
            self._due_at = max(time.monotonic(), self._sent_at + pause)
        self._texts[id_] = self._grown[id_] = known

    def _whole(self, event: Event) -> Growing:
        """The text up to this event at least; its beginning was on the page before this stream."""
        tail = snapshots.tail(str(self._thread_id))
        message = reading.get(self._user_id, UUID(event.message_id))
        return Growing(event.attempt, tail.lengthen(message.content, event.attempt, str(event.message_id)))

    def _flushed(self) -> bytes:
        """What has waited, as one frame; empty where nothing has."""
        if self._is_stale:
            return self._page()
        return self._framed(self._growth()) if self._grown else b""

    def _growth(self) -> str:
        grown, self._grown = self._grown, {}
        return "".join(
            render_template("messages/_grown.html", id=id_, attempt=text.attempt, growth=text.grown())
            for id_, text in grown.items()
        )

    def _page(self) -> bytes:
        """The thread's newest messages, with their texts as far as they were heard."""
        self._is_stale, self._grown = False, {}
        thread = threads.get(self._user_id, self._thread_id)
        shown = history.read(self._user_id, self._thread_id, None, self._lengthened)
        self._shown = {str(message.id) for message in shown.page.items}
        self._has_unread = bool(shown.unread)
        return self._framed(render_template("threads/_parts.html", thread=thread, history=shown))

    def _change(self, event: Event) -> bytes:
        """One message as it is now; what was heard of texts goes before it."""
        grown, message = self._growth(), _CHANGES[event.type](self, event)
        if message.status not in ACTIVE:
            self._texts.pop(str(message.id), None)
        thread = {"id": self._thread_id}  # where its forms post to is all that one message says of it
        return self._framed(grown + render_template("messages/_change.html", thread=thread, message=message))

    def _read(self, event: Event) -> MessageObject:
        return self._lengthened(reading.get(self._user_id, UUID(event.message_id)))

    def _called(self, event: Event) -> MessageObject:
        """With the call as the event has it: its row may be a moment behind."""
        message, call = self._read(event), ToolInvocation.model_validate(event.fields["invocation"])
        others = [each for each in message.tool_invocations if each.id != call.id]
        return message.model_copy(update={"tool_invocations": sorted([*others, call], key=lambda each: each.id)})

    def _ended(self, event: Event) -> MessageObject:
        return MessageObject.model_validate(event.fields["message"])

    def _lengthened(self, message: MessageObject) -> MessageObject:
        """With the text that was heard, where the row has less."""
        known = self._texts.get(str(message.id))
        if known is None or message.status not in ACTIVE:
            return message
        if message.attempt > known.attempt:
            self._texts[str(message.id)] = known = Growing(message.attempt, message.content)
        known.grown()  # what is shown now need not be sent again
        # Who has written of an attempt is in it, though the row was read before that was claimed.
        status = Status.PROCESSING if known.attempt > message.attempt else message.status
        return message.model_copy(update={"content": known.text, "attempt": known.attempt, "status": status})

    def _framed(self, html: str) -> bytes:
        """One unnamed message of the stream, which the page takes over."""
        self._sent_at = time.monotonic()
        identity = f"id: {self._cursor}\n" if self._cursor else ""
        lines = "".join(f"data: {line}\n" for line in _LINE_END.split(html))
        return f"{identity}{lines}\n".encode()


_CHANGES: Mapping[str, Callable[[Frames, Event], MessageObject]] = {
    events.PROCESSING: Frames._read,
    events.WAITING: Frames._read,
    events.REQUIRES_ACTION: Frames._read,
    events.TOOL_STARTED: Frames._called,
    events.TOOL_COMPLETED: Frames._called,
    events.TOOL_FAILED: Frames._called,
    events.COMPLETED: Frames._ended,
    events.FAILED: Frames._ended,
    events.CANCELLED: Frames._ended,
}
