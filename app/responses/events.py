"""The events of a response's stream, from the numbered events of its reply."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from app.chat import invocations, numbered
from app.chat.objects import MessageObject
from app.chat.steps import COMPLETED, Called
from app.responses import identifiers, objects, output
from app.responses.complaints import Interrupted
from app.stream.output import Beat, Item, Kind, Of

Event = dict[str, Any]
# None stands for a heartbeat.
Stream = Generator[Event | None, None, None]

CREATED, QUEUED = 0, 1
_NAMES = {
    Of.TEXT: "response.output_text",
    Of.REASONING: "response.reasoning_text",
    Of.FUNCTION: "response.function_call_arguments",
    Of.TOOL: "response.mcp_call_arguments",
}
# OpenAI has no event for a cancelled response: to its SDK the stream then ends as an incomplete one's, and the
# response that comes with it says what it is.
_ENDS = {"completed": "response.completed", "failed": "response.failed"}
_CUT = "response.incomplete"


class Events:
    """The events of one response, `parameters` being its reply's."""

    def __init__(self, reply: MessageObject, parameters: Mapping[str, Any]) -> None:
        self._reply = reply
        self._parameters = parameters
        self._calls: Mapping[UUID, Called] = {}

    def all(self, follow: Callable[[], Iterable[Beat | None]], after: int) -> Stream:
        """Every event above the number `after`, to the last one; `follow` gives the beats above it.

        What the row says by itself is said before anything is looked for. Raises Interrupted where the beats end too
        early.
        """
        yield from (event for event in self._opening() if event["sequence_number"] > after)
        ended = False
        for beat in follow():
            yield self.of(beat) if beat is not None else None
            ended = beat is not None and beat.kind is Kind.ENDED
        if not ended:
            raise Interrupted

    def of(self, beat: Beat) -> Event:
        """The event that tells one beat."""
        return _TELL[beat.kind](self, beat) | {"sequence_number": beat.number}

    def _opening(self) -> Iterator[Event]:
        """What the row says by itself, and says again whatever has become of it."""
        response = objects.begun(self._reply, self._parameters, objects.first_status(self._parameters))
        yield {"type": "response.created", "response": response, "sequence_number": CREATED}
        if objects.is_background(self._parameters):
            yield {"type": "response.queued", "response": response, "sequence_number": QUEUED}

    def _begun(self, _beat: Beat) -> Event:
        response = objects.begun(self._reply, self._parameters, "in_progress")
        return {"type": "response.in_progress", "response": response}

    def _item_added(self, beat: Beat) -> Event:
        item = _item(beat)
        shown = output.added(self._reply.id, item, self._row(item))
        return {"type": "response.output_item.added", "output_index": item.index, "item": shown}

    def _part_added(self, beat: Beat) -> Event:
        return self._at(beat, "response.content_part.added") | {"part": output.part(_item(beat).of, "")}

    def _delta(self, beat: Beat) -> Event:
        item = _item(beat)
        told = self._at(beat, f"{_NAMES[item.of]}.delta")
        if item.of is Of.TEXT:
            return told | {"delta": beat.text, "logprobs": []}
        row = self._row(item)
        return told | {"delta": beat.text if row is None else row.arguments}

    def _text_done(self, beat: Beat) -> Event:
        item = _item(beat)
        told = self._at(beat, f"{_NAMES[item.of]}.done")
        if item.of is Of.TEXT:
            return told | {"text": item.text, "logprobs": []}
        row = self._row(item)
        return told | ({"text": item.text} if row is None else {"arguments": row.arguments})

    def _part_done(self, beat: Beat) -> Event:
        item = _item(beat)
        return self._at(beat, "response.content_part.done") | {"part": output.part(item.of, item.text)}

    def _item_done(self, beat: Beat) -> Event:
        item = _item(beat)
        shown = output.item(self._reply.id, item, self._row(item))
        return {"type": "response.output_item.done", "output_index": item.index, "item": shown}

    def _call_begun(self, beat: Beat) -> Event:
        return self._at(beat, "response.mcp_call.in_progress")

    def _call_ended(self, beat: Beat) -> Event:
        row = self._row(_item(beat))
        assert row is not None
        return self._at(beat, "response.mcp_call.completed" if row.status == COMPLETED else "response.mcp_call.failed")

    def _ended(self, _beat: Beat) -> Event:
        response = objects.whole(numbered.read(self._reply.user_id, self._reply.id))
        return {"type": _ENDS.get(response["status"], _CUT), "response": response}

    def _at(self, beat: Beat, type_: str) -> Event:
        """What events about a place in the output have in common."""
        item = _item(beat)
        place = {"item_id": identifiers.of_item(self._reply.id, item), "output_index": item.index}
        return {"type": type_} | place | ({"content_index": 0} if item.call_id is None else {})

    def _row(self, item: Item) -> Called | None:
        """The row of a call, read again until it has what the item has come to."""
        if item.call_id is None:
            return None
        known = self._calls.get(UUID(item.call_id))
        if known is None or (known.is_open and item.of is Of.TOOL and item.complete is not None):
            self._calls = invocations.of_reply(self._reply.id)
        return self._calls[UUID(item.call_id)]


def _item(beat: Beat) -> Item:
    assert beat.item is not None
    return beat.item


_TELL: Mapping[Kind, Callable[[Events, Beat], Event]] = {
    Kind.BEGUN: Events._begun,
    Kind.ITEM_ADDED: Events._item_added,
    Kind.PART_ADDED: Events._part_added,
    Kind.DELTA: Events._delta,
    Kind.TEXT_DONE: Events._text_done,
    Kind.PART_DONE: Events._part_done,
    Kind.ITEM_DONE: Events._item_done,
    Kind.CALL_BEGUN: Events._call_begun,
    Kind.CALL_ENDED: Events._call_ended,
    Kind.ENDED: Events._ended,
}
