"""The same post again: at once from many tabs, after an answer that was lost, and after a refusal."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import make_url

from tests.clients import Posted
from tests.clients.client import NO_TLS
from tests.support.stack import until
from tests.system.posting import words
from tests.system.scene import MakeScene, Scene, User

TABS = 20
MODEL = "openai/fake-t20-r50"


class Tab:
    """One post, to be sent as often as wanted, through the web's proxy or past it."""

    def __init__(self, scene: Scene, user: User, content: str) -> None:
        self.content = content
        self._scene = scene
        self._user = user
        self._headers = {"Authorization": f"Bearer {user.key}", "Idempotency-Key": f"the key of {content}"}

    def send(self, **more: Any) -> httpx.Response:
        """Send it once, on a connection of its own."""
        body = {"content": self.content, "model": MODEL, **more}
        with httpx.Client(base_url=self._scene.url, headers=self._headers, timeout=30, verify=NO_TLS) as client:
            return client.post("/api/messages", json=body)

    def lose(self) -> None:
        """Send it, and lose the answer."""
        with pytest.raises(httpx.TransportError):
            self.send()

    def sent_at_once(self) -> list[httpx.Response]:
        """Send it from so many tabs at the same moment."""
        start = threading.Barrier(TABS)

        def click(_: int) -> httpx.Response:
            start.wait(30)
            return self.send()

        with ThreadPoolExecutor(TABS) as pool:
            return list(pool.map(click, range(TABS)))

    def once(self, *answers: httpx.Response) -> str:
        """The one reply that all these answers and the database know of."""
        assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
        assert len({answer.content for answer in answers}) == 1
        assert len({answer.headers["location"] for answer in answers}) == 1
        posted = Posted(202, "", answers[0].json())
        self._scene.expect(self._user, posted)
        self._scene.watch(self._user, posted)
        threads = self._user.client.get("/api/threads", params={"limit": 100}).json()["data"]
        listed = [message for thread in threads for message in self._messages(thread["id"])]
        mine = [message for message in listed if message["id"] in {posted.message_id, posted.id}]
        assert [message["role"] for message in mine] == ["user", "assistant"]
        assert len([message for message in listed if message["content"] == self.content]) == 1
        return posted.id

    def _messages(self, thread_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._user.client.get(f"/api/threads/{thread_id}/messages").json()["data"]
        return found


@contextmanager
def without_database(scene: Scene) -> Iterator[None]:
    """No transaction can begin: PostgreSQL is not to be reached, or somebody else writes the SQLite file."""
    if "database" in scene.proxies:
        scene.proxies["database"].refuse()
        yield
        scene.proxies["database"].heal()
        return
    with closing(sqlite3.connect(make_url(scene.stack.database_url).database or "", timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


def each_asked_once(scene: Scene, *tabs: Tab) -> None:
    scene.settle(60)
    asked = [request["messages"][-1]["content"] for request in scene.provider.lines("request")]
    assert sorted(asked) == sorted(tab.content for tab in tabs)


@pytest.fixture
def proxied(database_url: str) -> set[str]:
    """What needs a proxy so that answers can be lost and the database can go."""
    return {"web"} if database_url.startswith("sqlite") else {"web", "database"}


@pytest.mark.chaos
@pytest.mark.fault("F15")
def test_a_post_repeated_at_once_or_after_a_lost_answer_or_a_refusal_is_one_message(
    make_scene: MakeScene, proxied: set[str]
) -> None:
    with make_scene(proxied=proxied) as scene:
        ada = scene.user()
        clicked, lost, both, refused = (
            Tab(scene, ada, content) for content in ("clicked", "lost", "lost and clicked", "refused")
        )
        replies = [clicked.once(*clicked.sent_at_once())]

        scene.proxies["web"].drop_responses()
        lost.lose()
        lost.lose()
        both.lose()
        scene.proxies["web"].heal()
        replies.append(lost.once(lost.send(), lost.send()))
        replies.append(both.once(*both.sent_at_once()))

        with without_database(scene):
            answers = [refused.send(), refused.send()]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert all(answer.headers["retry-after"].isdigit() for answer in answers)
        replies.append(refused.once(*until(lambda: accepted(refused.send), what="a post that is accepted again")))

        each_asked_once(scene, clicked, lost, both, refused)
        for reply_id in replies:
            stored = ada.client.get(f"/api/messages/{reply_id}").json()
            assert (stored["status"], stored["content"]) == ("completed", words(20))
        assert clicked.send().content == clicked.send().content  # the first answer, though the reply has ended since
        assert clicked.send().json()["reply"]["status"] == "pending"
        other = clicked.send(title="another body")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def accepted(send: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Two answers, once neither is a 503."""
    answers = [send(), send()]
    return answers if 503 not in {answer.status_code for answer in answers} else []
