"""/api/session, /api/csrf: signing in and out with a cookie."""

from __future__ import annotations

from flask import Response
from pydantic import BaseModel, Field

from app.api.answers import empty, respond
from app.api.blueprint import PUBLIC, group
from app.api.fields import Body, Text
from app.auth import accounts, door, limits
from app.auth.accounts import UserObject

routes = group("session", "Signing in with a cookie.", public={"create_session", "read_csrf"})


class SignIn(Body):
    """Address and password."""

    email: Text = Field(max_length=320)
    password: str = Field(max_length=200)


class SignedIn(BaseModel):
    """Who is signed in, and the token that changes must carry as X-CSRFToken."""

    user: UserObject
    csrf_token: str


class CsrfToken(BaseModel):
    """A token for X-CSRFToken."""

    csrf_token: str


@routes.post("/session", summary="Sign in", openapi_extensions=PUBLIC, responses={201: SignedIn})
@limits.sign_ins
def create_session(body: SignIn) -> Response:
    """Sign in; sets the session cookie."""
    user_id = door.sign_in(body.email, body.password)
    return respond(SignedIn(user=accounts.get(user_id), csrf_token=door.csrf_token()), 201, "/api/session")


@routes.delete("/session", summary="Sign out", responses={204: None})
def delete_session() -> Response:
    """Sign out; the cookie is worthless afterwards, on every device it was copied to."""
    if door.who().kind == "session":  # a request with a key says nothing about the cookie beside it
        door.sign_out()
    return empty()


@routes.get("/csrf", summary="Get a CSRF token", openapi_extensions=PUBLIC, responses={200: CsrfToken})
def read_csrf() -> Response:
    """The token of this browser's session."""
    return respond(CsrfToken(csrf_token=door.csrf_token()))
