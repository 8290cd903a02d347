"""/signup: a new account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import EmailStr, Field, StringConstraints

from app.auth import accounts, door, limits
from app.auth.errors import EmailTaken
from app.extensions import settings
from app.web.forms import Form, Line, Refused, read
from app.web.visitor import local, see

routes = Blueprint("users", __name__)


class SignUp(Form):
    """A new account."""

    email: Annotated[EmailStr, Field(max_length=320)]
    password: Annotated[Line, StringConstraints(min_length=8, max_length=200)]


@routes.get("/signup")
def new() -> ResponseReturnValue:
    """The form; whoever is signed in already goes on."""
    return see(local(request.args.get("next"))) if door.visitor() else _form(request.args.get("next"), {})


@routes.post("/signup")
@limits.sign_ins
def create() -> ResponseReturnValue:
    """Make the account, sign in and show its key.

    No redirect here: the key would have to wait for it somewhere, in a cookie or an address.
    """
    door.check_origin()
    try:
        form = read(SignUp)
        user, key = accounts.sign_up(form.email, form.password)
    except Refused as refused:
        return _form(request.form.get("next"), refused.errors), 422
    except EmailTaken as error:
        return _form(request.form.get("next"), {"email": str(error)}), 422
    door.begin(user.id)
    door.csrf_token()  # now: of two pages opened next, each would bring a cookie with one of its own
    return render_template("users/created.html", user=user, key=key, next=local(request.form.get("next"))), 201


def _form(next_: str | None, errors: Mapping[str, str]) -> str:
    email, closed = request.form.get("email", ""), settings().signup == "closed"
    return render_template("users/new.html", next=local(next_), email=email, errors=errors, closed=closed)
