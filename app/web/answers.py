"""Answers to what a reply asks of a person: a text, one of the options, or a decision on each call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Blueprint, json, request
from flask.typing import ResponseReturnValue

from app.chat import answering, reading
from app.chat.answering import Decision
from app.chat.objects import MessageObject
from app.text import clean, clean_all
from app.web.acting import act
from app.web.forms import Form, Refused, Words, read

routes = Blueprint("answers", __name__)

_REASON_CHARS = 2_000


class Named(Form):
    """Which question is answered."""

    action_id: UUID


class Said(Form):
    """A text."""

    content: Words


class Chosen(Form):
    """One of the options."""

    option: Words


@routes.post("/chat/<uuid:thread_id>/input")
def create(thread_id: UUID) -> ResponseReturnValue:
    """Give the reply what it asks for."""
    return act(thread_id, _answer)


def _answer(user_id: UUID, message_id: UUID) -> MessageObject:
    action_id = read(Named).action_id
    asked = reading.get(user_id, message_id).required_action
    if asked is None or asked["id"] != str(action_id):
        return answering.answer(user_id, message_id, action_id)  # raises: it knows why this is not asked any more
    if asked["type"] == "approval":
        return answering.answer(user_id, message_id, action_id, decisions=_decisions(asked))
    content = read(Chosen).option if "option" in request.form else read(Said).content
    return answering.answer(user_id, message_id, action_id, content)


def _decisions(asked: Mapping[str, Any]) -> list[Decision]:
    """One for each call. Raises Refused, which names every field that must change."""
    errors: dict[str, str] = {}
    made = [_decision(call, errors) for call in asked["tool_invocations"]]
    if errors:
        raise Refused(errors)
    return made


def _decision(call: Mapping[str, Any], errors: dict[str, str]) -> Decision:
    id_, sent = call["id"], request.form
    chosen = sent.get(f"decision-{id_}")
    if chosen not in {"approve", "reject"}:
        errors[f"decision-{id_}"] = f"{call['name']}: approve or reject it."
    try:
        if chosen == "approve":
            return Decision(UUID(id_), True, arguments=_edited(call, sent.get(f"arguments-{id_}", "")))
    except ValueError as error:
        errors[f"arguments-{id_}"] = f"Arguments of {call['name']}: {error}"
    return Decision(UUID(id_), False, reason=_reason(call, sent.get(f"reason-{id_}", ""), errors))


def _edited(call: Mapping[str, Any], text: str) -> dict[str, Any] | None:
    """The arguments, where they are others than the model's. Raises ValueError."""
    if not text.strip():
        return None
    try:
        arguments = json.loads(text)
    except ValueError as error:
        raise ValueError(f"this is not JSON ({error}).") from None
    if not isinstance(arguments, dict):
        raise ValueError("must be a JSON object, in braces.")
    cleaned: dict[str, Any] = clean_all(arguments)
    # As text: to Python true is 1, and 1 is 1.0.
    return cleaned if _spelt(cleaned) != _spelt(call["arguments"]) else None


def _spelt(arguments: Any) -> str:
    return json.dumps(arguments, sort_keys=True)


def _reason(call: Mapping[str, Any], text: str, errors: dict[str, str]) -> str | None:
    try:
        reason = clean(text).strip()
    except ValueError as error:
        errors[f"reason-{call['id']}"] = f"Reason: {error}"
        return None
    if len(reason) > _REASON_CHARS:
        errors[f"reason-{call['id']}"] = f"Reason: must be at most {_REASON_CHARS} characters, has {len(reason)}"
    return reason or None
