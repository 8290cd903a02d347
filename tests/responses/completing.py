"""What the tests of chat completions ask, and what they find of it."""

from __future__ import annotations

from typing import Any

from openai.types.chat import ChatCompletionMessageParam

from tests.responses.served import Caller

MODEL = "scripted/echo"
SLOW = "!delay 0.02\n!words 60"
WORDS = " ".join(f"w{number}" for number in range(1, 61))


def user(content: Any) -> ChatCompletionMessageParam:
    return {"role": "user", "content": content}


def listed(caller: Caller) -> list[str]:
    """The threads that lists show."""
    return [thread["id"] for thread in caller.api.get("/api/threads").json()["data"]]
