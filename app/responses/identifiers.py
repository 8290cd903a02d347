"""Ids as OpenAI's surface spells them: what it is, an underscore, and the UUID's 32 hexadecimal digits."""

from __future__ import annotations

import re
from typing import Literal
from uuid import UUID, uuid5

from app.stream.output import Item, Of

Kind = Literal["resp", "conv", "msg", "fco"]
_HEX = re.compile(r"[0-9a-f]{32}")
_OF = {Of.TEXT: "msg", Of.REASONING: "rs", Of.FUNCTION: "fc", Of.TOOL: "mcp"}


def spell(kind: Kind, id_: UUID) -> str:
    """E.g. `resp_0192…`: a response is a reply, a conversation a thread; `msg` and `fco` are rows that were put in."""
    return f"{kind}_{id_.hex}"


def read(kind: Kind, text: str) -> UUID | None:
    """The UUID in `text`, or None where it is no id of this kind."""
    prefix, _, digits = text.partition("_")
    return UUID(digits) if prefix == kind and _HEX.fullmatch(digits) else None


def of_item(reply_id: UUID, item: Item) -> str:
    """The id of an item of a reply: a call's is its row's, of any other it follows from its place."""
    if item.call_id is not None:
        return of_call(UUID(item.call_id), item.of)
    return at_place(reply_id, item.index, item.of)


def at_place(reply_id: UUID, index: int, of: Of) -> str:
    """The id of the text or the reasoning that is the reply's item `index`."""
    return f"{_OF[of]}_{uuid5(reply_id, str(index)).hex}"


def of_call(row_id: UUID, of: Of) -> str:
    """The id of a call: `fc_` where whoever asked executes it, `mcp_` where we do."""
    return f"{_OF[of]}_{row_id.hex}"
