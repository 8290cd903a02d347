"""/signin, /signout: the browser's sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import StringConstraints

from app.auth import door, limits
from app.auth.errors import Unauthenticated
from app.web.forms import Form, Line, Refused, read
from app.web.visitor import local, see

routes = Blueprint("session", __name__)


class SignIn(Form):
    """Address and password."""

    email: Annotated[Line, StringConstraints(max_length=320)]
    password: Annotated[Line, StringConstraints(max_length=200)]


@routes.get("/signin")
def new() -> ResponseReturnValue:
    """The form; whoever is signed in already goes on."""
    if door.visitor():
        return see(local(request.args.get("next")))
    return _form(request.args.get("next"), {})


@routes.post("/signin")
@limits.sign_ins
def create() -> ResponseReturnValue:
    """Sign in and go on to `next`."""
    try:
        form = read(SignIn)
        door.sign_in(form.email, form.password)
        door.csrf_token()
    except Refused as refused:
        return _form(request.form.get("next"), refused.errors), 422
    except Unauthenticated as error:
        return _form(request.form.get("next"), {"password": str(error)}), 422
    return see(local(request.form.get("next")))


@routes.post("/signout")
def delete() -> ResponseReturnValue:
    """Sign out."""
    door.who()
    door.sign_out()
    return see("/")


def _form(next_: str | None, errors: Mapping[str, str]) -> str:
    email = request.form.get("email", "")
    return render_template("session/new.html", next=local(next_), email=email, errors=errors)
