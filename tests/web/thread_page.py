"""A thread's page as somebody without a browser has it, and what workers do to its replies meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar
from uuid import UUID

from selectolax.lexbor import LexborHTMLParser, LexborNode
from werkzeug.test import TestResponse

from app.chat.objects import Sent
from tests.chat.branches import post
from tests.web.visitor import Visitor

T = TypeVar("T")


class ThreadPage:
    """One thread of `visitor`'s, which begins with a message; keyword arguments are a draft's."""

    def __init__(self, visitor: Visitor, content: str = "hello", **draft: Any) -> None:
        self.visitor = visitor
        self.user_id = UUID(visitor.client.get("/api/me").json["id"])
        self.sent = self.do(lambda: post(self.user_id, content=content, **draft))
        self.address = f"/chat/{self.sent.thread.id}"

    def meanwhile(self) -> AbstractContextManager[Any]:
        """What is done inside is done by the application, not through a page."""
        return self.visitor.client.application.app_context()

    def do(self, what: Callable[[], T]) -> T:
        with self.meanwhile():
            return what()

    def say(self, content: str, **draft: Any) -> Sent:
        """Another message, as another client posts it."""
        return self.do(lambda: post(self.user_id, self.sent.thread.id, content, **draft))

    def act(self, action: str, message_id: object, **fields: str) -> TestResponse:
        """Send a message's form."""
        return self.visitor.post(f"{self.address}/{action}", message_id=str(message_id), **fields)

    def tree(self) -> LexborHTMLParser:
        """The page."""
        response = self.visitor.get(self.address)
        assert response.status_code == 200
        return parsed(response)

    def path(self) -> list[str]:
        """The texts of its messages, without what was said into a reply that has not read it."""
        return [node.text().strip() for node in self.tree().css("#messages > :not(.unread) > .text")]

    def seen(self, message_id: object) -> LexborNode:
        """One message on the page."""
        return one(self.tree(), f"#message-{message_id}")


def parsed(response: TestResponse) -> LexborHTMLParser:
    return LexborHTMLParser(response.text)


def one(root: LexborHTMLParser | LexborNode, selector: str) -> LexborNode:
    """The only element that matches."""
    found = root.css(selector)
    assert len(found) == 1, f"{len(found)} of {selector}"
    return found[0]


def shown(node: LexborNode, selector: str) -> list[str]:
    """The texts of what matches and is not hidden."""
    return [each.text(strip=True) for each in node.css(selector) if "hidden" not in each.attributes]
