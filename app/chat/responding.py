"""Responses: replies that are asked for with items, and go on from a thread, from another reply, or from nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack
from uuid import UUID

from sqlalchemy import Row, exists, func, select, update
from sqlalchemy.orm import Session

from app.chat import (
    abilities,
    assembling,
    attaching,
    beginning,
    busy,
    cancelling,
    choosing,
    items,
    locking,
    owning,
    pairing,
    sending,
)
from app.chat.busy import Busy
from app.chat.errors import InvalidField, NotFound
from app.chat.items import Entry, Given
from app.chat.objects import MessageObject, Sent
from app.chat.pairing import Question, Wanted
from app.chat.sending import Origin
from app.clock import now
from app.database import reading, transaction
from app.ids import new_id
from app.jobs import lifecycle
from app.models import Message, Thread

# So long a request that is sent again, because its answer never came, is known to be the same. As long what was not
# to be stored can still be read by whoever waits for it.
AGAIN_SECONDS = 600

_ITEMS = "items"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a response is asked for with; the last of `items` is answered.

    The reply stands in the thread `thread_id`, or below the reply `previous_id`, in a branch of its own where that is
    not the end of its thread, or else in a new thread, which `hidden` keeps out of lists; with `begin_id` it has this
    id and outlives its responses. `metadata` is the reply's.
    `fingerprint` tells equal requests; one that is `retried` gets what an equal one of the last minutes has made.

    `parameters` are those of a message (app/chat/sending.py) and top_p, stop [text], functions [{name, description,
    parameters, strict}], tool_choice ("auto", "none", "required" or {name}), parallel_tool_calls, text_format ({type:
    "text", "json_object" or "json_schema", …}), stored (false: it is removed at its end), background; what stands under
    "echo" is kept and means nothing.
    """

    items: tuple[Given, ...]
    thread_id: UUID | None = None
    previous_id: UUID | None = None
    hidden: bool = False
    begin_id: UUID | None = None
    title: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    retried: bool = False
    busy: Busy = "enqueue"

    @property
    def is_stored(self) -> bool:
        """Whether the response is to be there after its end."""
        return self.parameters.get("stored") is not False


@dataclass(frozen=True, slots=True)
class _Made:
    """What readers are told of; nothing where the same was made before."""

    sent: Sent
    messages: Sequence[MessageObject]


def respond(user_id: UUID, asked: Asked, **origin: Unpack[Origin]) -> Sent:
    """Accept what is asked: the rows are committed when this returns, whatever Redis does.

    Raises NotFound, InvalidField (items, items.<place>, model, functions, tool_choice, text_format, busy), ThreadBusy,
    Repeated or KeyReused; then nothing is stored.
    """
    if asked.busy == "steer":
        raise InvalidField("busy", "cannot be steer: a response is a reply of its own")
    told: list[MessageObject] = []

    def store(session: Session) -> Sent:
        made = _store(session, user_id, asked, origin.get("request_id"))
        told[:] = made.messages
        return made.sent

    sent = sending.accept(store, origin.get("once"), origin.get("render"), lambda _: told)
    if asked.busy in {"interrupt", "rollback"}:
        cancelling.carry_out(sent.thread.id)
    return sent


def find(user_id: UUID, reply_id: UUID) -> Entry:
    """A response as it stands. Raises NotFound, also for one that was removed."""
    with reading() as session:
        return _entry(session, user_id, reply_id)


def given(user_id: UUID, reply_id: UUID, *, contents: bool = False) -> list[Entry]:
    """The items that it was asked for with, in order. Raises NotFound as `find` does."""
    with reading() as session:
        entry = _entry(session, user_id, reply_id)
        above = [entry.message.parent_id] if entry.message.parent_id is not None else []
        ids = [UUID(id_) for id_ in entry.parameters.get(_ITEMS, ())] or above
        return items.entries(session, ids, contents=contents)


def remove(user_id: UUID, reply_id: UUID) -> None:
    """From now on it is no response any more; one that runs is cancelled. Raises NotFound as `find` does.

    A thread that was made for responses goes with its last one. In any other the reply stays a message.
    """
    with transaction() as session:
        thread, reply = _locked(session, user_id, reply_id)
        session.execute(update(Message).where(Message.id == reply_id).values(removed_at=now()))
        if not thread.lasting and not _has_others(session, thread.id, reply_id):
            session.execute(update(Thread).where(Thread.id == thread.id).values(deleted_at=now()))
        if reply.job_id is not None:
            lifecycle.request_cancel(session, reply.job_id)
    cancelling.carry_out(thread.id)


def is_response(message: Message) -> bool:
    """Whether /v1 knows this message as a response."""
    return message.role == "assistant" and message.job_id is not None and message.removed_at is None


def _entry(session: Session, user_id: UUID, reply_id: UUID) -> Entry:
    try:
        row = owning.message(session, user_id, reply_id)
    except NotFound:
        raise NotFound("response") from None
    if not is_response(row):
        raise NotFound("response")
    [entry] = items.entries(session, [reply_id])
    return entry


def _locked(session: Session, user_id: UUID, reply_id: UUID) -> tuple[Thread, Message]:
    """A response and its thread, whose row is locked. Raises NotFound."""
    try:
        thread, reply = locking.message(session, user_id, reply_id)
    except NotFound:
        raise NotFound("response") from None
    if not is_response(reply):
        raise NotFound("response")
    return thread, reply


def _has_others(session: Session, thread_id: UUID, reply_id: UUID) -> bool:
    others = select(Message.id).where(Message.thread_id == thread_id, Message.id != reply_id)
    others = others.where(Message.job_id.is_not(None), Message.removed_at.is_(None))
    return session.scalars(others.limit(1)).first() is not None


def _store(session: Session, user_id: UUID, asked: Asked, request_id: str | None) -> _Made:
    if asked.fingerprint is not None:
        _take_turns(session, asked.fingerprint)
        before = _before(session, user_id, asked.fingerprint) if asked.retried else None
        if before is not None:
            return _Made(before, ())
    spoken = [one.anew() for one in asked.items if not one.says_nothing]
    if not spoken or spoken[-1].role == "assistant":
        raise InvalidField(_ITEMS, "must end with something to answer: of a user, the system or a tool")
    ids = [new_id() for _ in (*spoken, "the reply")]
    thread, leaf = _place(session, user_id, asked, ids[-1])
    items.checked(session, leaf, asked.items)
    model_id = choosing.model(session, user_id, thread.settings, asked.parameters.get("model"))
    abilities.check(model_id, asked.items, asked.parameters)
    wanted = _wanted(asked, model_id, ids[:-1], request_id)
    return _write(session, thread, leaf, spoken, ids=ids, wanted=wanted)


def _write(
    session: Session, thread: Row[Any], leaf: UUID | None, spoken: Sequence[Given], *, ids: list[UUID], wanted: Wanted
) -> _Made:
    """All rows but the thread's: the items', then the reply's, which have these ids."""
    above = items.store(session, thread, leaf, spoken[:-1], ids)
    last = spoken[-1]
    attaching.store(session, thread.id, last.attachments)
    question = Question(last.content, {}, [one.shown for one in last.attachments], last.role, last.call_id)
    message, reply = pairing.store(
        session, thread, above[-1] if above else leaf, question, wanted, ids=(ids[-2], ids[-1])
    )
    is_new = thread.active_message_id == reply.id
    ending = thread if is_new else pairing.end_in(session, thread.id, reply.id)
    shown = assembling.thread_ending_in(ending, reply)
    history = [] if is_new else [entry.message for entry in items.entries(session, above)]
    return _Made(Sent.model_construct(thread=shown, message=message, reply=reply), [*history, message, reply])


def _wanted(asked: Asked, model_id: str, ids: Sequence[UUID], request_id: str | None) -> Wanted:
    parameters = {**asked.parameters, _ITEMS: [str(id_) for id_ in ids]}
    return Wanted(model_id, parameters, request_id, metadata=asked.metadata, fingerprint=asked.fingerprint)


def _place(session: Session, user_id: UUID, asked: Asked, reply_id: UUID) -> tuple[Row[Any], UUID | None]:
    """The thread, its row locked, and what the items go below. Raises NotFound or ThreadBusy."""
    title = asked.title or next((sending.title_of(one.content) for one in asked.items if one.role == "user"), None)
    if asked.previous_id is not None:
        previous, _ = _locked(session, user_id, asked.previous_id)
        thread, leaf = sending.touch_thread(session, user_id, previous.id, title), asked.previous_id
    elif asked.thread_id is not None:
        thread = sending.touch_thread(session, user_id, asked.thread_id, title)
        leaf = thread.active_message_id
    else:
        made: dict[str, Any] = {"hidden": asked.hidden or not asked.is_stored, "lasting": asked.begin_id is not None}
        made |= {"id": asked.begin_id} if asked.begin_id is not None else {}
        return beginning.thread(session, user_id, reply_id, title, **made), None
    return thread, busy.make_way(session, thread.id, leaf, asked.busy)


def _take_turns(session: Session, fingerprint: str) -> None:
    """Let an equal request be stored before this one looks for it. SQLite's writers take turns anyway."""
    if session.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(fingerprint.encode()[:8], "big", signed=True)
        session.execute(select(func.pg_advisory_xact_lock(number)))


def _before(session: Session, user_id: UUID, fingerprint: str) -> Sent | None:
    """What the newest equal request of the last minutes has made, if it was not deleted since."""
    same = select(Message.id, Message.parent_id, Message.thread_id).where(
        Message.fingerprint == fingerprint,
        Message.user_id == user_id,
        Message.created_at > now(-AGAIN_SECONDS),
        exists().where(Thread.id == Message.thread_id, Thread.deleted_at.is_(None)),
    )
    row = session.execute(same.order_by(Message.id.desc()).limit(1)).one_or_none()
    if row is None or row.parent_id is None:
        return None
    shown = assembling.messages(session, [row.parent_id, row.id])
    reply = shown[row.id]
    thread = assembling.thread(session, session.get_one(Thread, row.thread_id), reply)
    return Sent.model_construct(thread=thread, message=shown[row.parent_id], reply=reply)
