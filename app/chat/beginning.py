"""A new thread with its first question and the pending reply to it. PostgreSQL makes all four rows by one statement,
and nothing is read back but the moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    Dialect,
    Row,
    Select,
    bindparam,
    insert,
    inspect,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql.psycopg import dialect
from sqlalchemy.orm import Session

from app.chat import assembling, pairing
from app.chat.objects import MessageObject
from app.chat.pairing import Home, Question, Wanted
from app.database import single, transaction, writes_at_once
from app.extensions import Base
from app.ids import new_id
from app.models import Job, Message, Thread
from app.models.columns import attributes, defaults, table

_INSERT_THREAD = insert(table(Thread)).returning(*attributes(Thread))
_THREAD_MADE = insert(table(Thread)).returning(table(Thread).c.created_at)
_JOB_MADE = insert(table(Job)).values(pairing.JOB)
_MESSAGES_MADE = insert(table(Message))

_DIALECT: Dialect = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own is not typed
_Row = Mapping[str, Any]
_MODELS: Mapping[str, type[Base]] = {"thread": Thread, "job": Job, "question": Message, "reply": Message}
_NAMES = {name: {each.columns[0].name: each.key for each in inspect(_MODELS[name]).column_attrs} for name in _MODELS}
_ALIKE: Mapping[str, _Row] = {name: defaults(model) for name, model in _MODELS.items()}


class Begun(NamedTuple):
    """The thread's row, and what it begins with."""

    thread: Any
    message: MessageObject
    reply: MessageObject


def thread(session: Session, user_id: UUID, leaf: UUID | None, title: str | None, **more: Any) -> Row[Any]:
    """A new thread that ends in `leaf`; `more` are other columns of it."""
    return session.execute(_INSERT_THREAD, _thread_row(user_id, leaf, title) | more).one()


def conversation(session: Session, user_id: UUID, title: str | None, question: Question, wanted: Wanted) -> Begun:
    """A new thread with a question and its reply, which is due now or later."""
    message_id, reply_id = new_id(), new_id()
    if wanted.after_seconds:
        row = thread(session, user_id, reply_id, title)
        return Begun(row, *pairing.store(session, row, None, question, wanted, ids=(message_id, reply_id)))
    begun = _thread_row(user_id, reply_id, title)
    home = Home(thread_id=begun["id"], user_id=user_id)
    job = pairing.job_row(begun["id"], None, wanted)
    asked = pairing.question_row(home, message_id, None, question)
    answer = pairing.reply_row(home, reply_id, message_id, job["id"], wanted)
    made = _made(session, {"thread": begun, "job": job, "question": asked, "reply": answer})
    return Begun(made["thread"], *assembling.posted(session, made["question"], made["reply"], made["job"]))


def frame(after_seconds: float) -> Callable[[], AbstractContextManager[Session]]:
    """What `conversation` runs in where nothing else is written with it; what starts later takes several statements."""
    return transaction if after_seconds else single


def _thread_row(user_id: UUID, leaf: UUID | None, title: str | None) -> dict[str, Any]:
    row = {"id": new_id(), "user_id": user_id, "title": title, "active_message_id": leaf}
    return row | {"metadata": {}, "settings": {}}


def _made(session: Session, given: Mapping[str, _Row]) -> dict[str, Any]:
    """Make the rows; returns them as they are, by their names."""
    make = _at_once if writes_at_once(session) else _one_by_one
    moment = make(session, given)
    return {name: _as_made(name, row, moment) for name, row in given.items()}


def _one_by_one(session: Session, given: Mapping[str, _Row]) -> datetime:
    moment: datetime = session.execute(_THREAD_MADE, given["thread"]).scalar_one()
    session.execute(_JOB_MADE, given["job"])
    moments = {"created_at": moment, "updated_at": moment}
    session.execute(_MESSAGES_MADE, [{**given["question"], **moments}, {**given["reply"], **moments}])
    return moment


def _at_once(session: Session, given: Mapping[str, _Row]) -> datetime:
    """In one round trip, where the other way has three, and two more for its frame."""
    values = {f"{column}_of_{name}": value for name, row in given.items() for column, value in row.items()}
    named = tuple((name, tuple(column for column in row if row[column] is not None)) for name, row in given.items())
    moment: datetime = session.execute(_statement(named), values).scalar_one()
    return moment


def _as_made(name: str, row: _Row, moment: datetime) -> SimpleNamespace:
    """The row as an object of its model would show it."""
    whole: dict[str, Any] = {**dict.fromkeys(_NAMES[name]), "created_at": moment, "updated_at": moment}
    whole |= {**_ALIKE[name], **row}
    return SimpleNamespace(**{key: whole[column] for column, key in _NAMES[name].items()})


@cache
def _statement(named: tuple[tuple[str, tuple[str, ...]], ...]) -> Select[datetime]:
    """Makes the rows, of which these columns are given, and returns the moment. Built once: to build it costs more than
    to send it. It is short: what has more than 4,096 bytes or 50 parameters psycopg would parse each time anew."""
    first, *others = [_part(name, columns) for name, columns in named]
    return select(first.c.created_at).add_cte(*others)


def _part(name: str, given: tuple[str, ...]) -> CTE:
    """The making of one row. Only a statement of its own would be given the columns' defaults."""
    columns = table(_MODELS[name]).c
    wanted = {column: bindparam(f"{column}_of_{name}", type_=columns[column].type) for column in given}
    alike = {column: _literal(columns[column], value) for column, value in _ALIKE[name].items() if column not in given}
    shared = pairing.JOB if name == "job" else {}
    making = insert(table(_MODELS[name])).values({**alike, **shared, **wanted})
    return making.returning(columns.created_at).cte(f"made_{name}")


def _literal(column: Column[Any], value: object) -> ColumnElement[Any]:
    """As a part of the statement's text, which spares a parameter."""
    written = literal(value, column.type).compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
    return literal_column(str(written), column.type)
