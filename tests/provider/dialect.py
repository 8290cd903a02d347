"""What both dialects have to be able to say."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from tests.provider.behaviour import Behaviour

TOOL = ("call_now_1", "now", '{"zone": "UTC"}')
CALCULATION = [("call_calc_1", "calculator", '{"expression": "6 * 7"}'), ("call_clock_2", "clock", "{}")]
ATTACHED = {"image_url", "file", "image", "document"}
BROKEN_ARGUMENTS = {"badtool": "zone=UTC", "truncatedtool": '{"zone": "U'}


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens of one reply."""

    prompt: int
    completion: int
    cached: int
    reasoning: int

    @classmethod
    def of(cls, messages: list[dict[str, str]], behaviour: Behaviour) -> Counts:
        """A token is a word; half of the prompt counts as cached."""
        if "absurdusage" in behaviour.flags:
            return cls(prompt=-5, completion=10**15, cached=10**6, reasoning=-1)
        prompt = sum(len(message["content"].split()) for message in messages)
        reasoning = 3 if "reason" in behaviour.flags else 0
        return cls(prompt, behaviour.tokens + reasoning, prompt // 2, reasoning)


class Dialect(ABC):
    """A wire format: requests read from it, frames of its event stream written for it."""

    name: str
    path: str
    request_id_header: str

    @abstractmethod
    def messages(self, body: dict[str, Any]) -> list[dict[str, str]]:
        """The conversation as roles and texts, the system's first."""

    @abstractmethod
    def asked(self, body: dict[str, Any]) -> list[tuple[set[str], dict[str, str]]]:
        """For each assistant message with tool calls: their ids, and the results after it by the ids they name."""

    @abstractmethod
    def failure(self, status: int, quote: str) -> dict[str, Any]:
        """The JSON of an error; real ones quote the prompt or the key, so this does too."""

    @abstractmethod
    def opening(self, counts: Counts) -> bytes:
        """What comes before the first token."""

    @abstractmethod
    def reasoning(self, text: str) -> bytes:
        """One piece of reasoning."""

    @abstractmethod
    def token(self, text: str) -> bytes:
        """One piece of text."""

    @abstractmethod
    def tool_call(self, place: int, call_id: str, name: str, arguments: str) -> bytes:
        """A tool call, its arguments in two pieces; `place` counts the calls of one message from 0."""

    @abstractmethod
    def error(self, quote: str) -> bytes:
        """An error in mid-stream."""

    @abstractmethod
    def ping(self) -> bytes:
        """A sign of life that is no content."""

    @abstractmethod
    def ending(self, reason: str, counts: Counts | None) -> bytes:
        """The terminal marker with the usage."""


def text_of(content: Any) -> str:
    """The words in a message's content, whatever its form."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        blocks = (block for block in content if block.get("type") not in ATTACHED)
        return " ".join(text_of(block.get("text", block.get("content", block))) for block in blocks)
    return "" if content is None else json.dumps(content)


def attached_to(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks of all messages that are no words: images and files, as they were sent."""
    contents = [message["content"] for message in messages if isinstance(message.get("content"), list)]
    return [block for content in contents for block in content if block.get("type") in ATTACHED]


def forced_by(body: dict[str, Any]) -> tuple[str, str] | None:
    """The first function that is offered, and arguments for it, where the request says that one must be called."""
    choice = body.get("tool_choice")
    if not body.get("tools") or choice not in ("required", {"type": "any"}):
        return None
    tool = body["tools"][0].get("function", body["tools"][0])
    schema = tool.get("parameters", tool.get("input_schema", {}))
    return tool["name"], json.dumps(dict.fromkeys(schema.get("required", ()), "x"))


def frame(data: Any, event: str = "") -> bytes:
    """One server-sent event."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
