"""The form that posts a message: what it offers, and what happens when it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID, uuid4

from flask import g, request, url_for
from pydantic import Field, StringConstraints

from app.auth import accounts
from app.chat import goals, sending, threads
from app.chat.busy import Busy
from app.chat.errors import InvalidField
from app.chat.idempotency import Answer, Once, Repeated
from app.chat.objects import ThreadObject
from app.chat.sending import Draft
from app.extensions import settings
from app.llm import catalog
from app.llm.catalog import Model
from app.llm.errors import ModelUnavailable
from app.web import choices
from app.web.choices import Choices
from app.web.forms import Form, Left, Line, Refused, Words, read
from app.web.once import address, once, there

# What sending can do while a reply is being written. The API also refuses; a person would have to send again.
WAYS: Mapping[Busy, str] = {
    "enqueue": "Answer this after it",
    "interrupt": "Stop it and keep what it has written",
    "rollback": "Stop it and set it aside",
    "steer": "Tell it this while it works",
}
_IN_SIGHT = {"content", "model", "busy"}


class Post(Form):
    """A message to post; with `goal` it is one, which the reply works toward within what it may take."""

    content: Words
    model: Annotated[Line, StringConstraints(max_length=200)] | None = None
    busy: Busy = "enqueue"
    goal: bool = False
    max_steps: Annotated[Annotated[int, Field(ge=1, le=goals.MOST_STEPS)] | None, Left] = None
    max_seconds: Annotated[Annotated[float, Field(ge=1, le=goals.MOST_SECONDS, allow_inf_nan=False)] | None, Left] = (
        None
    )
    budget_cents: Annotated[Annotated[Line, StringConstraints(pattern=goals.CENTS)] | None, Left] = None

    @property
    def budget(self) -> dict[str, Any]:
        """What was said of what a goal may take."""
        return self.model_dump(include=set(goals.USUAL), exclude_none=True)


@dataclass(frozen=True, slots=True)
class Composer:
    """The form as it is shown: `action` is where it posts, `model` the chosen one."""

    action: str
    models: tuple[Model, ...]
    model: str
    choices: Choices
    content: str = ""
    busy: str = "enqueue"
    goal: bool = False
    budget: Mapping[str, str] = field(default_factory=dict)
    ways: Mapping[Busy, str] = field(default_factory=lambda: WAYS)
    errors: Mapping[str, str] = field(default_factory=dict)
    once: str = field(default_factory=lambda: uuid4().hex)

    @property
    def drawn(self) -> bool:
        """Whether its drawer is open: something in it must change."""
        return bool(self.errors.keys() - _IN_SIGHT)


def offer(user_id: UUID, thread: ThreadObject | None = None, refused: Refused | None = None) -> Composer:
    """The form for `thread`, or for a new one; after it was refused, with what was written in it."""
    action = url_for("web.threads.post", thread_id=thread.id) if thread else url_for("web.threads.create")
    preferences = accounts.get(user_id).preferences
    model, errors = "", dict(refused.errors) if refused else {}
    try:
        model = (refused and request.form.get("model")) or _usual_model(preferences, thread)
    except ModelUnavailable as error:
        errors.setdefault("model", str(error))
    chosen = choices.offer(thread.settings if thread else {}, preferences)
    kept = _kept() if refused else {}
    return Composer(action, catalog.models(settings()), model, chosen, errors=errors, **kept)


def send(user_id: UUID, thread_id: UUID | None = None) -> str:
    """Post what the form holds; returns the thread's address. Raises Refused, NotFound or Repeated."""
    form = read(Post)
    if form.goal and form.busy == "steer":
        raise Refused({"busy": "A goal gets a reply of its own; choose another, or leave the goal out."})
    if form.budget and not form.goal:
        raise Refused(dict.fromkeys(form.budget, "This is for a goal; choose that too, or leave this empty."))
    key = once(user_id, form.content, form.model or "", form.busy, str(form.goal), str(form.budget))
    _check(form.model)
    if choices.is_given():
        thread_id = _choose(user_id, thread_id, choices.chosen(), key)
    parameters: dict[str, Any] = {"model": form.model} if form.model else {}
    if form.goal:
        parameters["goal"] = {**goals.USUAL, **form.budget}
    draft = Draft(form.content, thread_id, parameters=parameters, busy=form.busy)
    try:
        return address(sending.send_message(user_id, draft, request_id=g.get("request_id"), once=key, render=there))
    except InvalidField as error:
        raise Refused({error.field: str(error)}) from None


def _check(model: str | None) -> None:
    """Raises Refused before anything is stored."""
    try:
        if model:
            catalog.find(settings(), model)
    except ModelUnavailable as error:
        raise Refused({"model": str(error)}) from None


def _choose(user_id: UUID, thread_id: UUID | None, chosen: Mapping[str, Any], key: Once | None) -> UUID | None:
    """Let this hold for the chat, which is made for it where there is none; returns its id."""
    if thread_id is not None:
        held = threads.get(user_id, thread_id).settings
        if any(held.get(name) != value for name, value in chosen.items()):
            threads.change(user_id, thread_id, {"settings": dict(chosen)})
        return thread_id
    given = {name: value for name, value in chosen.items() if value is not None}
    return _made(user_id, given, key) if given else None


def _made(user_id: UUID, given: Mapping[str, Any], key: Once | None) -> UUID:
    """A new chat; the one that the same form has made already, if it has."""
    first = Once(user_id, f"{key.key}:thread", key.fingerprint) if key else None
    try:
        made = threads.create(user_id, title=None, metadata={}, settings=dict(given), once=first, render=_noted)
    except Repeated as repeated:
        return UUID(str(repeated.answer.location))
    return made.id


def _noted(thread: ThreadObject) -> Answer:
    return Answer(201, str(thread.id), b"")


def _kept() -> dict[str, Any]:
    """What the form that was refused held."""
    sent = request.form
    budget = {name: sent.get(name, "") for name in goals.USUAL}
    return {
        "content": sent.get("content", ""),
        "busy": sent.get("busy", "enqueue"),
        "goal": "goal" in sent,
        "budget": budget,
    }


def _usual_model(preferences: Mapping[str, Any], thread: ThreadObject | None) -> str:
    """The model that answered last here, else the one that would answer if none were named."""
    last = thread.last_message.model_id if thread and thread.last_message else None
    chosen = last or (thread.settings.get("model") if thread else None)
    return str(chosen or preferences.get("model") or catalog.default_model(settings()))
