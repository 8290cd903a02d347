"""/settings: one's profile, what holds for all of one's chats, and keys for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import AfterValidator, StringConstraints

from app.auth import accounts, door, keys
from app.chat.errors import NotFound
from app.extensions import settings
from app.ids import parse_id
from app.llm import catalog
from app.llm.errors import ModelUnavailable
from app.text import clean
from app.web import choices, desk
from app.web.forms import Form, Refused, read
from app.web.visitor import see

routes = Blueprint("preferences", __name__)


class Profile(Form):
    """How somebody wants to be called."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(clean)] = ""


class NewKey(Form):
    """What to call it."""

    key_name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(clean)
    ]


@routes.get("/settings")
def show() -> str:
    """All of it."""
    return _page(door.who().user_id, done="Saved." if "kept" in request.args else None)


@routes.post("/settings/profile")
def profile() -> ResponseReturnValue:
    """Change the name."""
    return _keep(lambda: {"name": read(Profile).name or None})


@routes.post("/settings/preferences")
def change() -> ResponseReturnValue:
    """Choose what holds for all chats that say nothing else."""
    return _keep(lambda: {"preferences": {"model": _model()} | choices.chosen()})


@routes.post("/settings/keys")
def make_key() -> ResponseReturnValue:
    """A new key. No redirect: its secret would have to wait for it somewhere."""
    user_id = door.who().user_id
    try:
        made = keys.create(user_id, read(NewKey).key_name)
    except Refused as refused:
        return _page(user_id, refused), 422
    return _page(user_id, key=made.key), 201


@routes.post("/settings/keys/revoke")
def revoke() -> ResponseReturnValue:
    """Make a key worthless."""
    user_id, key_id = door.who().user_id, parse_id(request.form.get("key_id", ""))
    if key_id is None or not keys.revoke(user_id, key_id):
        raise NotFound("key")
    return see(url_for("web.preferences.show", kept=1))


def _keep(changes: Callable[[], dict[str, Any]]) -> ResponseReturnValue:
    user_id = door.who().user_id
    try:
        accounts.change(user_id, changes())
    except Refused as refused:
        return _page(user_id, refused), 422
    return see(url_for("web.preferences.show", kept=1))


def _model() -> str | None:
    """The model that the form names; none leaves it to the server. Raises Refused."""
    wanted = request.form.get("model", "")
    try:
        return catalog.find(settings(), wanted).id if wanted else None
    except ModelUnavailable as error:
        raise Refused({"model": str(error)}) from None


def _page(user_id: UUID, refused: Refused | None = None, **more: Any) -> str:
    panes = desk.of(user_id)
    kept = request.form if refused else {}
    return render_template(
        "preferences/show.html",
        desk=panes,
        errors=refused.errors if refused else {},
        kept=kept,
        choices=choices.offer(panes.user.preferences),
        preferred=kept.get("model", panes.user.preferences.get("model")),
        models=catalog.models(settings()),
        keys=keys.listed(user_id),
        **more,
    )
