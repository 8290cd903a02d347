"""The form that posts a message: what it offers, and what happens when it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated
from uuid import UUID, uuid4

from flask import g, request, url_for
from pydantic import AfterValidator, StringConstraints

from app.auth import accounts
from app.chat import sending
from app.chat.errors import InvalidField
from app.chat.idempotency import Answer, Once
from app.chat.objects import Sent, ThreadObject
from app.chat.sending import Draft
from app.extensions import settings
from app.llm import catalog
from app.llm.catalog import Model
from app.llm.errors import ModelUnavailable
from app.text import clean
from app.web.forms import Form, Line, Refused, read


def _spoken(content: str) -> str:
    limit = settings().max_content_chars
    if not content.strip():
        raise ValueError("must not be empty or only white space")
    if len(content) > limit:
        raise ValueError(f"must be at most {limit} characters, has {len(content)}")
    return content


class Post(Form):
    """A message to post. `once` is the form's own number, which makes a double click one message."""

    content: Annotated[str, AfterValidator(clean), AfterValidator(_spoken)]
    model: Annotated[Line, StringConstraints(max_length=200)] | None = None
    once: Annotated[Line, StringConstraints(max_length=64)] | None = None


@dataclass(frozen=True, slots=True)
class Composer:
    """The form as it is shown: `action` is where it posts, `model` the chosen one."""

    action: str
    models: tuple[Model, ...]
    model: str
    content: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    once: str = field(default_factory=lambda: uuid4().hex)


def offer(user_id: UUID, thread: ThreadObject | None = None, refused: Refused | None = None) -> Composer:
    """The form for `thread`, or for a new one; after it was refused, with what was written in it."""
    action = url_for("web.threads.post", thread_id=thread.id) if thread else url_for("web.threads.create")
    model, errors = "", dict(refused.errors) if refused else {}
    try:
        model = (refused and request.form.get("model")) or _usual_model(user_id, thread)
    except ModelUnavailable as error:
        errors.setdefault("model", str(error))
    content = request.form.get("content", "") if refused else ""
    return Composer(action, catalog.models(settings()), model, content, errors)


def send(user_id: UUID, thread_id: UUID | None = None) -> str:
    """Post what the form holds; returns the thread's address. Raises Refused, NotFound or Repeated."""
    form = read(Post)
    draft = Draft(form.content, thread_id, parameters={"model": form.model} if form.model else {})
    try:
        sent = sending.send_message(
            user_id, draft, request_id=g.get("request_id"), once=_once(user_id, form), render=_there
        )
    except InvalidField as error:
        raise Refused({error.field: str(error)}) from None
    return _address(sent)


def _usual_model(user_id: UUID, thread: ThreadObject | None) -> str:
    """The model that answered last here, else the one that would answer if none were named."""
    last = thread.last_message.model_id if thread and thread.last_message else None
    chosen = last or (thread.settings.get("model") if thread else None)
    return str(chosen or accounts.get(user_id).preferences.get("model") or catalog.default_model(settings()))


def _once(user_id: UUID, form: Post) -> Once | None:
    """The same form with the same text is one message. The text belongs to the key, for going back and changing it."""
    if not form.once:
        return None
    fingerprint = sha256("\0".join([request.path, form.content, form.model or ""]).encode()).hexdigest()
    return Once(user_id, f"page:{form.once}:{fingerprint}", fingerprint)


def _there(sent: Sent) -> Answer:
    return Answer(303, _address(sent), b"")


def _address(sent: Sent) -> str:
    return url_for("web.threads.show", thread_id=sent.thread.id)
