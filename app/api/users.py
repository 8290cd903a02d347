"""/api/users, /api/me: accounts."""

from __future__ import annotations

from typing import Annotated

from flask import Response
from pydantic import BaseModel, EmailStr, Field, StringConstraints

from app.api.answers import respond
from app.api.blueprint import PUBLIC, group
from app.api.fields import Body, Chosen, Text, Title
from app.auth import accounts, door, limits
from app.auth.accounts import UserObject

routes = group("users", "Accounts and preferences.", public={"create_user"})

Password = Annotated[str, StringConstraints(min_length=8, max_length=200)]


class SignUp(Body):
    """A new account."""

    email: Annotated[EmailStr, Field(max_length=320)]
    password: Password


class SignedUp(BaseModel):
    """The account, and its first key, which is shown only here."""

    user: UserObject
    api_key: str


class ProfileChange(Body):
    """What may be changed of one's own account."""

    name: Title | None = None
    image: Annotated[Text, StringConstraints(max_length=2000, pattern=r"^https://")] | None = None
    preferences: Chosen | None = None


@routes.post("/users", summary="Make an account", openapi_extensions=PUBLIC, responses={201: SignedUp})
@limits.sign_ins
def create_user(body: SignUp) -> Response:
    """Make an account; the API key is shown once."""
    door.check_origin()
    user, key = accounts.sign_up(body.email, body.password)
    return respond(SignedUp(user=user, api_key=key), 201, "/api/me")


@routes.get("/me", summary="Read one's own account", responses={200: UserObject})
def read_me() -> Response:
    """The account of whoever asks."""
    return respond(accounts.get(door.who().user_id))


@routes.patch("/me", summary="Change one's own account", responses={200: UserObject})
def change_me(body: ProfileChange) -> Response:
    """Set what is sent, leave the rest."""
    changes = body.model_dump(exclude_unset=True)
    if changes.get("preferences") is None:
        changes.pop("preferences", None)
    return respond(accounts.change(door.who().user_id, changes))
