"""What a client of /ws says: one model a type of frame."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import current_app
from pydantic import StrictInt, StrictStr, StringConstraints

from app.api.fields import Body, RepeatKey
from app.api.goals import Goal
from app.api.messages import PostMessage
from app.chat.idempotency import Once

_REF_CHARS = 200
_REF_BITS = 64

# Whatever the client tells its frames apart by; an error echoes it.
Ref = Annotated[StrictStr, StringConstraints(max_length=_REF_CHARS)] | StrictInt


class NotJson(ValueError):
    """The frame is no JSON."""

    code = "malformed_json"


class UnknownFrame(ValueError):
    """The frame is no object, or of no type that is known here."""

    code = "validation_error"


class Frame(Body):
    """What all frames have."""

    ref: Ref | None = None


class Subscribe(Frame):
    """Follow a thread from a snapshot, or from the cursor `after`, on; in place of an earlier subscription to it."""

    type: Literal["subscribe"]
    thread_id: UUID
    after: str | None = None


class Unsubscribe(Frame):
    """Follow it no longer."""

    type: Literal["unsubscribe"]
    thread_id: UUID


class Message(Frame, PostMessage):
    """Post a message, as POST /api/messages does, and follow its thread."""

    type: Literal["message"]
    idempotency_key: RepeatKey | None = None


class Solve(Frame, Goal):
    """Post a goal, as POST /api/threads/{id}/solve does, and follow its thread; without `thread_id` one is made."""

    type: Literal["solve"]
    thread_id: UUID | None = None
    idempotency_key: RepeatKey | None = None


class Cancel(Frame):
    """Stop a reply and keep what is written."""

    type: Literal["cancel"]
    message_id: UUID


_TYPES: dict[str, type[Frame]] = {
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "message": Message,
    "cancel": Cancel,
    "solve": Solve,
}


def members(text: str) -> dict[str, Any]:
    """The JSON object in `text`. Raises NotJson or UnknownFrame."""
    try:
        found = current_app.json.loads(text)
    except ValueError:
        raise NotJson("This is not JSON; send an object with a `type`.") from None
    if not isinstance(found, dict):
        raise UnknownFrame("A frame must be a JSON object with a `type`.")
    return found


def frame(given: dict[str, Any]) -> Frame:
    """The frame that is meant. Raises UnknownFrame, or ValidationError for one of a known type."""
    type_ = given.get("type")
    model = _TYPES.get(type_) if isinstance(type_, str) else None
    if model is None:
        raise UnknownFrame(f"type: must be one of {', '.join(_TYPES)}")
    return model.model_validate(given)


def ref(given: dict[str, Any]) -> str | int | None:
    """What an error about it echoes, even where the frame as a whole is wrong; None for what is no reference."""
    found = given.get("ref")
    if isinstance(found, str):
        return found if len(found) <= _REF_CHARS else None
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if found.bit_length() <= _REF_BITS else None


def once(user_id: UUID, posted: Message | Solve) -> Once | None:
    """Its idempotency key, if it has one, with what it stands for: all but the reference."""
    if posted.idempotency_key is None:
        return None
    said = posted.model_dump_json(exclude={"ref", "idempotency_key"})
    return Once(user_id, posted.idempotency_key, sha256(b"/ws\0" + said.encode()).hexdigest())
