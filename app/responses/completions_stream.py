"""A chat completion as a stream of chunks, made from the numbered events of its reply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from app.chat.numbered import Told
from app.chat.objects import MessageObject
from app.chat.steps import Called
from app.responses import completions_objects as objects
from app.responses import identifiers
from app.responses.complaints import Complaint
from app.responses.completions_text import Contradicted, Said
from app.stream.output import Beat, Item, Kind, Of

Chunk = dict[str, Any]


class Chunks:
    """The chunks of one completion. `calls` reads the reply's tool calls; `told` the reply, once it has ended."""

    def __init__(
        self,
        reply: MessageObject,
        calls: Callable[[], Mapping[UUID, Called]],
        told: Callable[[], Told],
        *,
        with_usage: bool,
    ) -> None:
        self._head = objects.head(reply, objects.CHUNK) | ({"usage": None} if with_usage else {})
        self._id = reply.id
        self._with_usage = with_usage
        self._read_calls, self._read = calls, told
        self._calls: Mapping[UUID, Called] = {}
        self._text, self._reasoning = Said(), Said()
        self._reasons = True
        self._asked = 0
        self._ended = False

    def all(self, beats: Iterable[Beat | None]) -> Iterator[Chunk | None]:
        """Every chunk, the first before anything is written; None stands for a heartbeat. Raises Complaint."""
        yield self._delta({"role": "assistant", "content": "", "refusal": None})
        try:
            for beat in beats:
                if beat is None:
                    yield None
                else:
                    yield from self._of(beat)
        except Contradicted:
            raise self._broken("begun_anew", "The reply was begun anew in other words than were sent") from None
        if not self._ended:
            raise self._broken("interrupted", "The stream was interrupted and the reply goes on")

    def _of(self, beat: Beat) -> Iterator[Chunk]:
        if beat.kind is Kind.DELTA and beat.item is not None:
            yield from self._grown(beat.item, beat.text)
        elif beat.kind is Kind.ITEM_DONE and beat.item is not None and beat.item.dropped:
            self._text.anew()
            self._reasoning.anew()
        elif beat.kind is Kind.ENDED:
            yield from self._end()

    def _grown(self, item: Item, text: str) -> Iterator[Chunk]:
        if item.dropped:
            return  # long since taken back
        if item.of is Of.TEXT:
            yield from self._say(text)
        elif item.of is Of.REASONING:
            yield from self._reason(text)
        elif item.of is Of.FUNCTION:
            yield from self._call(UUID(item.call_id))

    def _say(self, text: str) -> Iterator[Chunk]:
        if more := self._text.add(text):
            yield self._delta({"content": more})

    def _reason(self, text: str) -> Iterator[Chunk]:
        """Reasoning that goes another way than what was shown of it is shown no further: it is no part of the text."""
        try:
            more = self._reasoning.add(text) if self._reasons else ""
        except Contradicted:
            self._reasons, more = False, ""
        if more:
            yield self._delta({"reasoning_content": more})

    def _call(self, row_id: UUID) -> Iterator[Chunk]:
        if row_id not in self._calls:
            self._calls = self._read_calls()
        shown, index = objects.tool_call(self._calls[row_id]), self._asked
        self._asked += 1
        begun = shown | {"function": shown["function"] | {"arguments": ""}}
        yield self._delta({"tool_calls": [{"index": index} | begun]})
        yield self._delta({"tool_calls": [{"index": index, "function": {"arguments": shown["function"]["arguments"]}}]})

    def _end(self) -> Iterator[Chunk]:
        told = self._read()
        message = told.message
        if not objects.ended_well(message):
            raise objects.failure(message)
        if rest := self._text.finish(message.content):
            yield self._delta({"content": rest})
        yield self._delta({}, objects.finish_reason(message, called=self._asked > 0))
        if self._with_usage:
            yield self._head | {"choices": [], "usage": objects.usage(message)}
        self._ended = True

    def _broken(self, code: str, what: str) -> Complaint:
        """An end of the stream that is none of the reply's, which stays where it is."""
        where = f"/v1/responses/{identifiers.spell('resp', self._id)}"
        return Complaint(f"{what}; read it at {where}, or send the request again.", status=500, code=code)

    def _delta(self, delta: dict[str, Any], reason: str | None = None) -> Chunk:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._head | {"choices": [choice]}
