"""The history that a model is shown: the newest messages that fit, every call with its result right behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy.orm import Session

from app.chat import attaching, items, steps
from app.chat.attaching import PDF, TEXT
from app.chat.steps import Taken
from app.llm.catalog import Model
from app.llm.tokens import estimate, estimate_bytes
from app.llm.types import Part, Role, Turn

_TURN_TOKENS = 4  # what a provider adds around each message
# What a picture costs differs; this is about what a large one does. A page of a PDF has some thousand bytes.
_IMAGE_TOKENS = 1_500
_PDF_BYTES_A_TOKEN = 20
_APART = "\n\n"


class Said(NamedTuple):
    """What the history takes of a message."""

    id: UUID
    job_id: UUID | None
    role: str
    content: str
    attachments: list[Any]
    calls: list[Any] | None
    call_id: str | None
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """Oldest first. `has_foreign_calls`: calls of functions that are not ours are among them."""

    turns: tuple[Turn, ...]
    has_foreign_calls: bool


def gather(session: Session, rows: Sequence[Said], budget: int, model: Model) -> History:
    """Of `rows`, newest first, what is within `budget` tokens. The last message always goes along: better refused than
    unasked."""
    taken = steps.with_calls(session, (row.id for row in rows if row.job_id is not None))
    kept: list[tuple[Said, list[Turn]]] = []
    for row in rows:
        turns = _of_message(row, taken.get(row.id, ()))
        budget -= sum(_tokens(turn) for turn in turns) + sum(_weight(one, model) for one in row.attachments)
        if budget < 0 and kept:
            break
        kept.insert(0, (row, turns))
    contents = attaching.contents(session, [row for row, _ in kept])
    shown = [(row, [_with_attachments(turn, row, contents, model) for turn in turns]) for row, turns in kept]
    has_foreign_calls = any(row.role == "tool" or row.calls for row, _ in kept)
    return History(paired(_joined(shown)), has_foreign_calls)


def paired(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The same with each call's result right behind it, wherever it came; a call without one is told so.

    Providers refuse a whole request that has a call without a result, or a result without a call.
    """
    placed: list[Turn] = []
    unanswered: dict[str | None, list[int]] = {}
    for turn in turns:
        if turn.role == "tool":
            if places := unanswered.get(turn.tool_call_id):
                placed[places.pop()] = turn
            continue
        placed.append(turn)
        for call in turn.tool_calls:
            unanswered.setdefault(call.id, []).append(len(placed))
            placed.append(Turn("tool", steps.NO_RESULT, tool_call_id=call.id))
    return tuple(placed)


def _joined(shown: Iterable[tuple[Said, Sequence[Turn]]]) -> list[Turn]:
    """The turns, neighbouring ones joined that one assistant has said elsewhere: words and calls came as items."""
    turns: list[Turn] = []
    was_given = False
    for row, own in shown:
        is_given = row.role == "assistant" and row.job_id is None
        for turn in own:
            if is_given and was_given and turns:
                content = _APART.join(filter(None, (turns[-1].content, turn.content)))
                turns[-1] = Turn("assistant", content, turns[-1].tool_calls + turn.tool_calls)
            else:
                turns.append(turn)
        was_given = is_given
    return turns


def _of_message(row: Said, taken: Sequence[Taken]) -> list[Turn]:
    """A message as turns: one, several where it called tools, none where it ended before its first word."""
    if taken and "continues" not in row.parameters:
        return list(steps.turns(taken))
    if row.role == "tool":
        return [Turn("tool", row.content, tool_call_id=row.call_id)]
    calls = tuple(steps.as_sent(call) for call in items.given_calls(row.calls))
    if not (row.content or row.attachments or calls):
        return []
    return [Turn(cast("Role", row.role), row.content, calls)]


def _with_attachments(turn: Turn, row: Said, contents: Mapping[UUID, bytes], model: Model) -> Turn:
    """A user's turn with what came with it, as far as the model can be shown it: a text in words, the rest in parts."""
    words, parts = [turn.content] if turn.content else [], list[Part]()
    for one in row.attachments:
        content = contents.get(UUID(one["id"]))
        if content is None:
            words.append(f"({one['name']} is not there any more.)")
        elif one["media_type"] == TEXT:
            words.append(f"{one['name']}:\n{content.decode()}")
        elif _can_see(model, one):
            parts.append(Part(one["media_type"], content, one["name"]))
        else:
            words.append(f"({one['name']}, {one['media_type']}, is not shown to you: you cannot read such files.)")
    return replace(turn, content=_APART.join(words), parts=tuple(parts)) if row.attachments else turn


def _can_see(model: Model, listed: Mapping[str, Any]) -> bool:
    return model.pdfs if listed["media_type"] == PDF else model.images


def _weight(listed: Mapping[str, Any], model: Model) -> int:
    """Tokens of an attachment."""
    if listed["media_type"] == TEXT:
        return estimate_bytes(listed["bytes"])
    if not _can_see(model, listed):
        return 0
    return int(listed["bytes"]) // _PDF_BYTES_A_TOKEN if listed["media_type"] == PDF else _IMAGE_TOKENS


def _tokens(turn: Turn) -> int:
    called = sum(estimate(call.name) + estimate(call.arguments) for call in turn.tool_calls)
    return estimate(turn.content) + called + _TURN_TOKENS
