"""Somebody who uses the pages without a browser: forms, cookies and the token that belongs to both."""

from __future__ import annotations

import re
from itertools import count

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.stack import PASSWORD

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

_numbers = count(1)


class Visitor:
    """A browser as far as forms go: cookies, and the token that pages put into their forms."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.client.environ_base["REMOTE_ADDR"] = f"10.0.0.{next(_numbers)}"  # limits count by address
        self.email = f"visitor{next(_numbers)}@example.com"
        self.token = ""

    def get(self, path: str) -> TestResponse:
        response = self.client.get(path, headers=HTML)
        found = re.search(r'name="csrf_token" value="([^"]+)"', response.text)
        self.token = found[1] if found else self.token
        return response

    def post(self, path: str, *, headers: dict[str, str] | None = None, **fields: str) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token} | fields, headers=HTML | (headers or {}))

    def sign_up(self, **fields: str) -> TestResponse:
        response = self.post("/signup", email=self.email, password=PASSWORD, **fields)
        self.get("/chat")
        return response
