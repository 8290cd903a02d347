"""The tool calls that a stream spells out piece by piece."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import uuid4

from app.llm.errors import StreamCut
from app.llm.types import ToolCall


@dataclass(slots=True)
class _Draft:
    id: str = ""
    name: str = ""
    arguments: str = ""


class ToolCalls:
    """Collects the pieces of each call under the index that the provider gives it."""

    def __init__(self) -> None:
        self._drafts: dict[int, _Draft] = {}

    def __len__(self) -> int:
        return len(self._drafts)

    def add(self, index: int, *, call_id: str = "", name: str = "", arguments: str = "") -> None:
        """Take one piece: the id and the name come whole, the arguments in parts."""
        draft = self._drafts.setdefault(index, _Draft())
        draft.id = draft.id or call_id
        draft.name = draft.name or name
        draft.arguments += arguments

    def whole(self) -> tuple[ToolCall, ...]:
        """Every call, checked: a name and a JSON object. Raises StreamCut, because half a call must never be kept."""
        return tuple(_checked(self._drafts[index]) for index in sorted(self._drafts))


def _checked(draft: _Draft) -> ToolCall:
    arguments = draft.arguments.strip() or "{}"  # how servers write a call of a function without parameters
    if not draft.name or not _is_object(arguments):
        raise StreamCut("The model asked for a tool in a form that cannot be read. Try again, or use another model.")
    return ToolCall(draft.id or f"call_{uuid4().hex}", draft.name, arguments)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
