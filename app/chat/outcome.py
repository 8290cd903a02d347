"""How a reply ended: everything its last transaction writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.llm.errors import ContentFiltered, ModelUnavailable, ProviderError
from app.llm.tokens import estimate
from app.llm.types import Finished, ModelRequest, ToolCall, Usage
from app.models import Status
from app.text import printable

# What a provider calls the end → what the message says.
_REASONS = {"stop": "stop", "length": "length", "content_filter": "content_filter", "tool_calls": "error"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a reply. `usage` is None when no model was asked; `estimated` marks one the provider did not give."""

    status: Status
    text: str
    finish_reason: str
    usage: Usage | None = None
    estimated: bool = False
    error: dict[str, Any] | None = None
    request_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = field(default=())


def finished(request: ModelRequest, text: str, end: Finished) -> Outcome:
    """The provider said it was done."""
    usage, estimated = _usage(request, text, end.usage)
    outcome = Outcome(
        Status.COMPLETED, text, _REASONS[end.reason], usage, estimated, None, end.request_id, end.tool_calls
    )
    if end.reason == "tool_calls":
        return _failed(
            outcome, _error("unexpected_tool_call", "The model called a tool although none was offered; ask again.")
        )
    if end.reason == "content_filter":
        return _failed(
            outcome, _error(ContentFiltered.code, "The provider's filter stopped this reply; rephrase the message.")
        )
    return outcome


def refused(request: ModelRequest, text: str, error: ProviderError) -> Outcome:
    """The provider could not be made to answer; what it wrote is kept."""
    usage, estimated = _usage(request, text, None) if text else (None, False)
    reason = "content_filter" if isinstance(error, ContentFiltered) else "error"
    shown = _error(error.code, str(error), retryable=error.retryable)
    return Outcome(Status.FAILED, text, reason, usage, estimated, shown, error.request_id)


def ended_early(status: Status, request: ModelRequest | None, text: str, code: str, message: str) -> Outcome:
    """Somebody or something else ended it: a cancel, a deadline, crashes."""
    usage, estimated = _usage(request, text, None) if text and request is not None else (None, False)
    if status is Status.CANCELLED:
        return Outcome(status, text, "cancelled", usage, estimated)
    return Outcome(status, text, "error", usage, estimated, _error(code, message, retryable=True))


def _usage(request: ModelRequest, text: str, counted: Usage | None) -> tuple[Usage, bool]:
    if counted is not None:
        return counted, False
    asked = estimate(request.system) + sum(estimate(turn.content) for turn in request.turns)
    return Usage(asked, estimate(text)), True


def unavailable(error: ModelUnavailable) -> Outcome:
    """The model that was accepted is not offered any more."""
    return Outcome(Status.FAILED, "", "error", error=_error(error.code, str(error)))


def _error(code: str, message: str, *, retryable: bool = False) -> dict[str, Any]:
    return {"code": code, "message": printable(message), "retryable": retryable}


def _failed(outcome: Outcome, error: dict[str, Any]) -> Outcome:
    reason = "content_filter" if error["code"] == ContentFiltered.code else "error"
    return Outcome(
        Status.FAILED,
        outcome.text,
        reason,
        outcome.usage,
        outcome.estimated,
        error,
        outcome.request_id,
        outcome.tool_calls,
    )
