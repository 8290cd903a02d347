"""Reads streams of responses strictly: every event has its place, and what it says fits what was said before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent

OPENING = ("response.created", "response.queued", "response.in_progress")
ENDS = frozenset({"response.completed", "response.failed", "response.incomplete"})


class Reader:
    """What a client knows of a response that it follows, however often it has to begin again.

    `first` and `final` are the response as it was begun and as it ended.
    """

    def __init__(self) -> None:
        self.last = -1
        self.types: list[str] = []
        self.items: dict[int, dict[str, Any]] = {}
        self.texts: dict[int, str] = {}
        self.open: int | None = None
        self.first: Response | None = None
        self.final: Response | None = None

    def read(self, events: Iterable[ResponseStreamEvent], most: int | None = None) -> Reader:
        """Take events in, at most so many."""
        for count, event in enumerate(events, 1):
            self.take(event)
            if count == most:
                break
        return self

    def take(self, event: ResponseStreamEvent) -> None:
        """One event, which must be in its place."""
        assert self.final is None, f"{event.type} after the end"
        assert event.sequence_number > self.last
        self.last = event.sequence_number
        self.types.append(event.type)
        if event.type in ENDS:
            self._end(event.response)
        elif event.type == "response.output_item.added":
            self._add(event)
        elif event.type == "response.output_item.done":
            self._close(event)
        elif event.type in OPENING:
            self.first = self.first or event.response
        else:
            self._write(event)

    @property
    def text(self) -> str:
        """What the items that are left at the end say."""
        assert self.final is not None
        kept = {item.id for item in self.final.output}
        return "".join(self.texts[index] for index, item in self.items.items() if item["id"] in kept)

    def _add(self, event: Any) -> None:
        assert event.output_index == len(self.items), "output_index counts all items that were begun"
        assert self.open is None
        self.items[event.output_index] = event.item.to_dict()
        self.texts[event.output_index] = ""
        assert event.item.status == "in_progress"
        if event.item.type != "mcp_call":  # of these another may begin before one has its result
            self.open = event.output_index

    def _write(self, event: Any) -> None:
        assert event.item_id == self.items[event.output_index]["id"]
        if event.type == "response.output_text.delta":
            assert self.open == event.output_index
            self.texts[event.output_index] += event.delta
        elif event.type == "response.output_text.done":
            assert event.text == self.texts[event.output_index]
        elif event.type == "response.content_part.done" and event.part.type == "output_text":
            assert event.part.text == self.texts[event.output_index]

    def _close(self, event: Any) -> None:
        assert event.item.id == self.items[event.output_index]["id"]
        assert event.item.status in {"completed", "incomplete", "failed"}
        self.items[event.output_index] = event.item.to_dict()
        if self.open == event.output_index:
            self.open = None

    def _end(self, response: Response) -> None:
        assert self.open is None, "every item is closed before the end"
        self.final = response
        done = [item["id"] for item in self.items.values()]
        kept = [item.id for item in response.output]
        assert kept == [id_ for id_ in done if id_ in kept], "what is left is in order"


def uuid_of(id_: str) -> str:
    """The id of the same thing in /api."""
    digits = id_.partition("_")[2]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
