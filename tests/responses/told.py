"""Replies and their numbered events as the doors get them, made by hand from the real Output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from app import create_app
from app.chat.numbered import Told
from app.chat.objects import MessageObject, ReplyError
from app.chat.steps import Called
from app.config import Settings
from app.models import Status
from app.stream.output import Beat, Of, Output

ID = UUID("0192a000-0000-7000-8000-000000000001")
# One dot.
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def short_messages(tmp_path: Path) -> Iterator[None]:
    """Requests are read by an application that takes messages of 1,000 characters."""
    known: dict[str, Any] = {"data_dir": tmp_path, "database_url": f"sqlite:///{tmp_path}/none.db"}
    settings = Settings(_env_file=None, secret_key=SecretStr("only for tests"), max_content_chars=1_000, **known)
    with create_app(settings).app_context():
        yield


def reply(**changed: Any) -> MessageObject:
    """A completed reply; keyword arguments replace fields."""
    fields: dict[str, Any] = dict.fromkeys(MessageObject.model_fields)
    fields |= {"id": ID, "thread_id": ID, "user_id": ID, "role": "assistant", "content": "", "metadata": {}}
    fields |= {"pinned": False, "attachments": [], "status": Status.COMPLETED, "model_id": "scripted/echo"}
    fields |= {"tool_invocations": [], "finish_reason": "stop", "usage_estimated": False, "attempt": 1}
    fields |= {"prompt_tokens": 3, "completion_tokens": 4, "created_at": AT, "updated_at": AT}
    return MessageObject(**(fields | changed))


def failed(code: str, message: str = "It went wrong.") -> MessageObject:
    """A reply that failed."""
    error = ReplyError(code=code, message=message, retryable=False)
    return reply(status=Status.FAILED, finish_reason="error", error=error)


def call(row_id: UUID, name: str = "f", arguments: str = "{}", **changed: Any) -> Called:
    """A tool call as its row has it."""
    fields: dict[str, Any] = {"status": "completed", "attempt": 1, "approved": None, "result": None, "error": None}
    return Called(row_id, f"call_{name}", name, arguments, **(fields | changed))


class Story:
    """A reply as it is written: each step of `tell` are the events that one thing gives, as they are at that moment."""

    def __init__(self) -> None:
        self.output = Output(1)

    def tell(self, steps: Iterable[tuple[Any, ...]]) -> Iterator[Beat]:
        """The beats of `steps`, each the name of a method of Output and what it is given; "step" ends a step."""
        for name, *given in steps:
            keywords = {"complete": given.pop()} if name == "end" else {}
            yield from getattr(self.output, name)(*given, **keywords)

    def told(self, message: MessageObject) -> Told:
        """The reply when all is told."""
        return Told(message, {}, self.output, [])


def written(*texts: str) -> list[tuple[Any, ...]]:
    """Deltas of text."""
    return [("write", Of.TEXT, text) for text in texts]
