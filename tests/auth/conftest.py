"""Browsers and keys; the application is the one of the API's tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.conftest import PASSWORD, Person, ada, app, ben, make_app

__all__ = ["ada", "app", "ben", "make_app"]


@dataclass(frozen=True, slots=True)
class Browser:
    """Somebody signed in with a cookie, and the token that changes need."""

    client: FlaskClient
    csrf: str

    @property
    def cookie(self) -> str:
        found = self.client.get_cookie("session")
        assert found is not None
        return str(found.value)


SignIn = Callable[[Person], Browser]


@pytest.fixture
def sign_in(app: Flask) -> SignIn:
    """Signs a person in, in a browser of its own."""

    def sign_in(person: Person) -> Browser:
        client = app.test_client()
        answer = client.post("/api/session", json={"email": person.email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return Browser(client, answer.json["csrf_token"])

    return sign_in
