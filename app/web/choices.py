"""What people choose about replies besides their model: for one chat, or for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from flask import request
from pydantic import Field, StringConstraints

from app.tools.registry import BUILT_IN
from app.tools.rule import FOR_A_GOAL
from app.web.forms import Form, Left, Line, Refused, read

_NAMES = ("instructions", "temperature", "max_output_tokens", "context_tokens")
_TOOL = re.compile(r"[A-Za-z0-9_*-]{1,80}")
_MOST_TOOLS = 50
# A goal has its own in any case.
_KNOWN = tuple(name for name, tool in BUILT_IN.items() if tool.worth is not FOR_A_GOAL)


class Chosen(Form):
    """The fields but for the tools; sizes in tokens. An empty one leaves it to the next level."""

    instructions: Annotated[Annotated[Line, StringConstraints(max_length=20_000)] | None, Left] = None
    temperature: Annotated[Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None, Left] = None
    max_output_tokens: Annotated[Annotated[int, Field(ge=1, le=1_000_000)] | None, Left] = None
    context_tokens: Annotated[Annotated[int, Field(ge=256, le=10_000_000)] | None, Left] = None


@dataclass(frozen=True, slots=True)
class Choices:
    """The fields as they are shown: what stands in them, and what holds where they are empty."""

    shown: Mapping[str, Any]
    usual: Mapping[str, Any]
    tools: tuple[str, ...] | None
    others: str
    known: tuple[str, ...] = _KNOWN


def offer(chosen: Mapping[str, Any], usual: Mapping[str, Any] | None = None) -> Choices:
    """The fields for what was chosen; after they were refused, with what was written in them."""
    if is_given():
        tools = tuple(_named()) if request.form.get("tools_by") else None
        return Choices(_texts(request.form), _texts(usual or {}), tools, request.form.get("other_tools", ""))
    named = chosen.get("tools")
    others = " ".join(name for name in named or () if name not in _KNOWN)
    return Choices(_texts(chosen), _texts(usual or {}), None if named is None else tuple(named), others)


def is_given() -> bool:
    """Whether the request's form has these fields."""
    return "instructions" in request.form


def chosen() -> dict[str, Any]:
    """What the request's form chooses; null leaves it to the next level. Raises Refused."""
    values = read(Chosen).model_dump()
    names = _named()
    wrong = [name for name in names if not _TOOL.fullmatch(name)]
    if wrong:
        raise Refused({"tools": f"{wrong[0][:80]!r} is no name of a tool; separate names by spaces."})
    if len(names) > _MOST_TOOLS:
        raise Refused({"tools": f"Name at most {_MOST_TOOLS}."})
    return values | {"tools": names if request.form.get("tools_by") else None}


def _named() -> list[str]:
    """The tools that the form names, each once."""
    others = re.split(r"[\s,]+", request.form.get("other_tools", "").strip())
    return list(dict.fromkeys([*request.form.getlist("tools"), *filter(None, others)]))


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "" if values.get(name) is None else values[name] for name in _NAMES}
