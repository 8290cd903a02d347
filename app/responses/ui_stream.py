"""A reply as the AI SDK's UI message stream, made from its numbered events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from app.chat import steps
from app.chat.objects import MessageObject
from app.chat.steps import Called
from app.models import Status
from app.stream.output import Beat, Item, Kind, Of

Part = dict[str, Any]

_WRITTEN = {Of.TEXT: "text", Of.REASONING: "reasoning"}
_PAUSED = frozenset({Status.WAITING, Status.REQUIRES_ACTION})
_PAUSE = {"status", "wake_at", "required_action"}
_REASONS = {"length": "length", "tool_limit": "length", "budget": "length", "content_filter": "content-filter"}


class Parts:
    """The parts of one reply's stream. `calls` reads its tool calls, `read` the reply itself.

    A stream of theirs knows steps, and can take back what it has sent since the last one began: so one begins where
    calls have ended, after which nothing before is ever taken back.
    """

    def __init__(
        self, reply: MessageObject, calls: Callable[[], Mapping[UUID, Called]], read: Callable[[], MessageObject]
    ) -> None:
        self._reply = reply
        self._read_calls, self._read = calls, read
        self._calls: Mapping[UUID, Called] = {}
        self.ended = False
        self._step_is_over = False
        self._skipped: set[int] = set()
        self._open = 0  # calls of ours that have no outcome yet
        self._told: Part | None = None

    def all(self, beats: Iterable[Beat | None]) -> Iterator[Part | None]:
        """Every part, the first before anything is written; None stands for a heartbeat."""
        yield {"type": "start", "messageId": str(self._reply.id), "messageMetadata": about(self._reply)}
        yield {"type": "start-step"}
        for beat in beats:
            if beat is None:
                yield self._pause()
            elif beat.kind is Kind.ENDED:
                self.ended = True
                yield from self._end()
            elif beat.item is not None:
                yield from self._of(beat, beat.item)

    def _pause(self) -> Part | None:
        """What a reply whose call is open waits for or asks, told once; a heartbeat where that is nothing new."""
        message = self._read() if self._open else self._reply
        data = message.model_dump(mode="json", include=_PAUSE) if message.status in _PAUSED else None
        told, self._told = self._told, data
        return {"type": "data-pause", "data": data, "transient": True} if data is not None and data != told else None

    def _of(self, beat: Beat, item: Item) -> Iterator[Part]:
        if beat.kind is Kind.ITEM_ADDED and item.dropped:
            self._skipped.add(item.index)  # long since taken back
        elif item.index in self._skipped:
            return
        elif item.of in _WRITTEN:
            yield from self._written(beat, item)
        else:
            yield from self._called(beat.kind, item)

    def _written(self, beat: Beat, item: Item) -> Iterator[Part]:
        kind, id_ = _WRITTEN[item.of], str(item.index)
        if beat.kind is Kind.ITEM_ADDED:
            yield from self._begin_step()
            yield {"type": f"{kind}-start", "id": id_}
        elif beat.kind is Kind.DELTA:
            yield {"type": f"{kind}-delta", "id": id_, "delta": beat.text}
        elif beat.kind is Kind.ITEM_DONE:
            yield {"type": f"{kind}-end", "id": id_}
            if item.dropped:
                yield {"type": "reset-step"}

    def _called(self, kind: Kind, item: Item) -> Iterator[Part]:
        if kind is Kind.ITEM_ADDED:
            yield from self._begin_step()
        elif kind is Kind.TEXT_DONE:
            yield {"type": "tool-input-available", **self._call(item), "input": _json(self._row(item).arguments)}
        elif kind is Kind.CALL_BEGUN:
            self._open += 1
        elif kind is Kind.CALL_ENDED:
            self._open -= 1
            self._step_is_over = True
            yield self._outcome(item)

    def _call(self, item: Item) -> Part:
        """What names a call. One that the page executes has the id that comes back with what came of it."""
        row = self._row(item)
        if item.of is Of.FUNCTION:
            return {"toolCallId": row.call_id, "toolName": row.name}
        return {"toolCallId": str(row.id), "toolName": row.name, "dynamic": True, "providerExecuted": True}

    def _outcome(self, item: Item) -> Part:
        self._calls = self._read_calls()
        row = self._row(item)
        told = {"toolCallId": str(row.id), "dynamic": True, "providerExecuted": True}
        if row.status == steps.COMPLETED:
            return {"type": "tool-output-available", **told, "output": _json(row.result or "")}
        return {"type": "tool-output-error", **told, "errorText": row.told}

    def _row(self, item: Item) -> Called:
        id_ = UUID(item.call_id)
        if id_ not in self._calls:
            self._calls = self._read_calls()
        return self._calls[id_]

    def _begin_step(self) -> Iterator[Part]:
        if self._step_is_over:
            self._step_is_over = False
            yield {"type": "finish-step"}
            yield {"type": "start-step"}

    def _end(self) -> Iterator[Part]:
        message = self._read()
        yield {"type": "finish-step"}
        if message.status is Status.CANCELLED:
            yield {"type": "abort", "reason": "cancelled"}
        if message.status is Status.FAILED:
            yield {"type": "error", "errorText": message.error.message if message.error else "The reply failed."}
        reason = _REASONS.get(str(message.finish_reason), "stop")
        if message.status is not Status.COMPLETED:
            reason = "error" if message.status is Status.FAILED else "other"
        yield {"type": "finish", "finishReason": reason, "messageMetadata": about(message)}


def about(message: MessageObject) -> Part:
    """What a page is told of a reply besides its parts, in the words of /api."""
    fields = {"thread_id", "status", "model_id", "finish_reason", "created_at", "completed_at"}
    return message.model_dump(mode="json", include=fields | _USAGE, exclude_none=True)


_USAGE = {"prompt_tokens", "completion_tokens", "total_tokens", "cost_in_cents", "usage_estimated"}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
