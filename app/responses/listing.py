"""Pages of items as OpenAI's SDK turns them: by the id after which to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, dropwhile, islice
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.chat.items import Entry
from app.responses import entries
from app.responses.complaints import Complaint
from app.responses.entries import Item

CONTENTS = "message.input_image.image_url"


class Page(BaseModel):
    """The query of a list. What else a client may send has no effect."""

    model_config = ConfigDict(extra="ignore")

    limit: int = Field(20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"
    after: str | None = Field(None, max_length=100)
    include: list[str] | str = Field(default_factory=list)

    @property
    def contents(self) -> bool:
        """Whether attachments shall come with what is in them."""
        return CONTENTS in self.include


def page(rows: Sequence[Entry], wanted: Page) -> dict[str, Any]:
    """One page of the items of `rows`, which are in order. Raises Complaint where `after` is none of them."""
    turned = wanted.order == "desc"
    left = iter(_from(list(reversed(rows)) if turned else list(rows), wanted.after))
    items: Iterator[Item] = chain.from_iterable(_items(row, turned=turned) for row in left)
    if wanted.after is not None:
        items = islice(dropwhile(lambda item: item["id"] != wanted.after, items), 1, None)
    return listed(list(islice(items, wanted.limit + 1)), wanted.limit)


def listed(items: list[Item], limit: int | None = None) -> dict[str, Any]:
    """A list as OpenAI has it; `items` may have one more than `limit`, which tells that there are more."""
    shown = items[:limit] if limit is not None else items
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > len(shown),
    }


def _items(row: Entry, *, turned: bool) -> list[Item]:
    found = entries.items(row)
    return found[::-1] if turned else found


def _from(rows: list[Entry], after: str | None) -> list[Entry]:
    """The rows from the one on that holds the item `after`: only those are read."""
    if after is None:
        return rows
    for place, row in enumerate(rows):
        if entries.holds(row, after):
            return rows[place:]
    raise Complaint(f"No item with id '{after}' found.", param="after", code="invalid_value")
