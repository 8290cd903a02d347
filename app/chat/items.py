"""Items: the rows that /v1 puts into a thread besides replies, and rows as items are made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, insert, select
from sqlalchemy.orm import Session

from app.chat import assembling, attaching, steps
from app.chat.attaching import Attached
from app.chat.errors import InvalidField
from app.chat.objects import MessageObject
from app.chat.reading import ancestors
from app.chat.steps import Called
from app.extensions import settings
from app.ids import new_id
from app.models import Message, Thread, ToolCall
from app.models.columns import table
from app.text import UncleanText, clean

Role = Literal["user", "assistant", "system", "tool"]

_MOST = 2_000
_NAME_CHARS = 200
# How far up a call is looked for that somebody answers.
_ROWS_ABOVE = 5_000

_INSERT = insert(table(Message))


@dataclass(frozen=True, slots=True)
class GivenCall:
    """A function call that an item says was made; `arguments` is the JSON text of an object."""

    call_id: str
    name: str
    arguments: str
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Given:
    """One item that somebody puts in. `content` is clean; `calls` are an assistant's, `call_id` is what a tool's row
    answers, `attachments` are a user's."""

    role: Role
    content: str = ""
    attachments: tuple[Attached, ...] = ()
    calls: tuple[GivenCall, ...] = ()
    call_id: str | None = None

    @property
    def says_nothing(self) -> bool:
        """Whether nothing is lost without it."""
        return self.role in {"assistant", "system"} and not self.content.strip() and not self.calls

    def anew(self) -> Given:
        """The same under ids of its own: a value may be put in more than once."""
        attachments = tuple(replace(one, id=new_id()) for one in self.attachments)
        return replace(self, attachments=attachments, calls=tuple(replace(call, id=new_id()) for call in self.calls))

    @property
    def row(self) -> dict[str, Any]:
        """Its columns in `messages`, but for its place."""
        calls = [
            {"id": str(call.id), "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
            for call in self.calls
        ]
        listed = [one.shown for one in self.attachments]
        said = {"role": self.role, "content": self.content, "attachments": listed}
        return said | {"calls": calls or None, "call_id": self.call_id}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as items are made of it: what a tool's row answers, the calls that an assistant's row made, and of its
    attachments, by id, the contents where they were asked for."""

    message: MessageObject
    call_id: str | None = None
    calls: tuple[Called, ...] = ()
    contents: Mapping[UUID, bytes] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


def checked(session: Session, leaf: UUID | None, given: Sequence[Given]) -> None:
    """Raises InvalidField (items, items.<place>) for what cannot stand below `leaf`."""
    if len(given) > _MOST:
        raise InvalidField("items", f"must be at most {_MOST}, are {len(given)}; put them in by and by")
    for place, one in enumerate(given):
        for wrong in _wrong(one):
            raise InvalidField(f"items.{place}", wrong)
    _check_answers(session, leaf, given)


def store(
    session: Session,
    thread: Row[Any] | Thread,
    leaf: UUID | None,
    given: Sequence[Given],
    known_ids: Sequence[UUID] | None = None,
) -> list[UUID]:
    """Rows below `leaf`, each below the one before; returns their ids. The thread's row is locked.

    `known_ids`, where they are known already, in order by time; there may be more of them.
    """
    ids = [new_id() for _ in given] if known_ids is None else list(known_ids[: len(given)])
    above = [leaf, *ids]
    common = {"thread_id": thread.id, "user_id": thread.user_id}
    rows = [{"id": id_, "parent_id": up, **common, **one.row} for id_, up, one in zip(ids, above, given, strict=False)]
    if rows:
        attaching.store(session, thread.id, (each for one in given for each in one.attachments))
        session.execute(_INSERT, rows)
    return ids


def entries(session: Session, ids: Sequence[UUID], *, contents: bool = False) -> list[Entry]:
    """The rows of `ids` that exist, in that order."""
    shown = assembling.messages(session, ids)
    columns = (Message.id, Message.call_id, Message.calls, Message.attachments, Message.parameters)
    rows = {row.id: row for row in session.execute(select(*columns).where(Message.id.in_(ids)))}
    called = _called(session, ids)
    bytes_of = attaching.contents(session, rows.values()) if contents else {}
    return [
        Entry(
            shown[id_],
            rows[id_].call_id,
            (*given_calls(rows[id_].calls), *called[id_]),
            {key: bytes_of[key] for key in _listed(rows[id_]) if key in bytes_of},
            rows[id_].parameters,
        )
        for id_ in ids
        if id_ in rows and id_ in shown
    ]


def given_calls(calls: Iterable[Mapping[str, Any]] | None) -> list[Called]:
    """The calls that a row without a job says were made; whether they are answered tell the rows below it."""
    return [
        Called(
            id=UUID(call["id"]),
            call_id=call["call_id"],
            name=call["name"],
            arguments=call["arguments"],
            status=steps.REQUIRES_ACTION,
            attempt=0,
            approved=None,
            result=None,
            error=None,
        )
        for call in calls or ()
    ]


def _wrong(one: Given) -> Iterator[str]:
    """What is wrong with an item whatever stands above it."""
    most = settings().max_content_chars
    texts = [one.content, *(call.arguments for call in one.calls)]
    names = [name for call in one.calls for name in (call.call_id, call.name)]
    names += [one.call_id or ""] if one.role == "tool" else []
    cases = {
        "has attachments; only a user's message can": one.attachments and one.role != "user",
        "has calls; only an assistant's message can": one.calls and one.role != "assistant",
        "has a call_id; only a tool's output can": one.call_id is not None and one.role != "tool",
        "must not be empty": one.role == "user" and not one.content.strip() and not one.attachments,
        f"must be at most {most} characters": any(len(text) > most for text in texts),
        f"names a call or a function with less than 1 or more than {_NAME_CHARS} characters": any(
            not 0 < len(name) <= _NAME_CHARS for name in names
        ),
    }
    yield from (what for what, is_so in cases.items() if is_so)
    for text in (*texts, *names):
        try:
            clean(text)
        except UncleanText as error:
            yield str(error)


def _check_answers(session: Session, leaf: UUID | None, given: Sequence[Given]) -> None:
    """Whoever answers a call must find it above."""
    known: set[str] = set()
    for place, one in enumerate(given):
        known |= {call.call_id for call in one.calls}
        if one.call_id is not None and one.call_id not in known:
            known |= _calls_above(session, leaf)
            if one.call_id not in known:
                raise InvalidField(f"items.{place}", f"No tool call found for call_id {one.call_id[:_NAME_CHARS]}.")


def _calls_above(session: Session, leaf: UUID | None) -> set[str]:
    ids = ancestors(session, leaf, _ROWS_ABOVE)
    made = session.scalars(select(ToolCall.call_id).where(ToolCall.message_id.in_(ids)))
    told = session.scalars(select(Message.calls).where(Message.id.in_(ids), Message.calls.is_not(None)))
    return {*made, *(call["call_id"] for calls in told for call in calls or ())}


def _called(session: Session, ids: Sequence[UUID]) -> defaultdict[UUID, list[Called]]:
    found: defaultdict[UUID, list[Called]] = defaultdict(list)
    for row in session.scalars(select(ToolCall).where(ToolCall.message_id.in_(ids)).order_by(ToolCall.id)):
        found[row.message_id].append(steps.called(row))
    return found


def _listed(row: Row[Any]) -> Iterator[UUID]:
    return (UUID(one["id"]) for one in row.attachments)
