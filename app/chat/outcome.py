"""How a reply ended: everything its last transaction writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.chat.steps import ModelCall
from app.llm.errors import ContentFiltered, ModelUnavailable, ProviderError
from app.models import Status
from app.text import printable

# What a provider calls the end → what the message says.
_REASONS = {"stop": "stop", "length": "length", "content_filter": "content_filter", "tool_calls": "error"}

DEADLINE = ("deadline_exceeded", "The reply was not finished within its time; ask again or for less.")
CRASHED = ("crashed_repeatedly", "The worker writing this reply ended unexpectedly several times; ask again.")
EXPIRED = ("action_expired", "Nobody answered what the reply asked for in time; ask again.")
_UNEXPECTED = ("unexpected_tool_call", "The model called a tool although none was offered; ask again.")
_FILTERED = (ContentFiltered.code, "The provider's filter stopped this reply; rephrase the message.")
_INVALID = (
    "invalid_tool_calls",
    "The model kept calling tools in a form that cannot be run; ask differently.",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a reply. `last` is the model call it ended with, where that is not committed as a step already."""

    status: Status
    text: str
    finish_reason: str
    last: ModelCall | None = None
    error: dict[str, Any] | None = None


def finished(text: str, last: ModelCall) -> Outcome:
    """The provider said it was done."""
    if last.finish_reason == "tool_calls":
        return _failed(text, last, "error", *_UNEXPECTED)
    if last.finish_reason == "content_filter":
        return _failed(text, last, "content_filter", *_FILTERED)
    return Outcome(Status.COMPLETED, text, _REASONS[last.finish_reason], last)


def answered(text: str, finish_reason: str) -> Outcome:
    """All its steps are committed, and it goes no further: its tool said so, or what it may spend is spent."""
    return Outcome(Status.COMPLETED, text, finish_reason)


def confused(text: str) -> Outcome:
    """The model was told again and again what was wrong with its tool calls."""
    return _failed(text, None, "error", *_INVALID)


def refused(text: str, last: ModelCall | None, error: ProviderError) -> Outcome:
    """The provider could not be made to answer; what it wrote is kept."""
    reason = "content_filter" if isinstance(error, ContentFiltered) else "error"
    shown = _error(error.code, str(error), retryable=error.retryable)
    return Outcome(Status.FAILED, text, reason, last, shown)


def ended_early(status: Status, text: str, last: ModelCall | None, code: str, message: str) -> Outcome:
    """Somebody or something else ended it: a cancel, a deadline, crashes."""
    if status is Status.CANCELLED:
        return Outcome(status, text, "cancelled", last)
    return Outcome(status, text, "error", last, _error(code, message, retryable=True))


def unavailable(text: str, error: ModelUnavailable) -> Outcome:
    """The model that was accepted is not offered any more."""
    return Outcome(Status.FAILED, text, "error", error=_error(error.code, str(error)))


def _failed(text: str, last: ModelCall | None, reason: str, code: str, message: str) -> Outcome:
    return Outcome(Status.FAILED, text, reason, last, _error(code, message))


def _error(code: str, message: str, *, retryable: bool = False) -> dict[str, Any]:
    return {"code": code, "message": printable(message), "retryable": retryable}
