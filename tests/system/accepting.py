"""Posts while the database fails: what is answered, what is repeated until it is accepted, what is stored."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
from sqlalchemy import create_engine, text

from tests.clients import Posted
from tests.support.stack import until
from tests.system.scene import Scene, User


def say(user: User, content: str, key: str) -> httpx.Response:
    """Post once; only 202 and a problem that says when to come again are answers."""
    said = {"content": content, "model": "openai/fake-t20-r50"}
    answer = user.client.post("/api/messages", json=said, headers={"Idempotency-Key": key})
    assert answer.status_code in {202, 503}, answer.text
    if answer.status_code == 503:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["status"] == 503
    return answer


def accepted(scene: Scene, user: User, key: str, answer: httpx.Response) -> Posted:
    posted = Posted(answer.status_code, key, answer.json())
    scene.expect(user, posted)
    return posted


def insist(scene: Scene, user: User, content: str, key: str) -> httpx.Response:
    """Repeat the post until it is accepted."""

    def answer() -> httpx.Response | None:
        got = say(user, content, key)
        return got if got.status_code == 202 else None

    got: httpx.Response = until(answer, 30, "an accepted post")
    accepted(scene, user, key, got)
    return got


def said(scene: Scene) -> dict[str, int]:
    """How often each text of a user is stored."""
    engine = create_engine(scene.stack.database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT content, count(*) FROM messages WHERE role = 'user' GROUP BY content"))
        found = {row[0]: row[1] for row in rows}
    engine.dispose()
    return found


def stored(user: User, posted: Posted) -> dict[str, Any]:
    message: dict[str, Any] = user.client.get(f"/api/messages/{posted.id}").json()
    return message
