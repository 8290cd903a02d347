"""A provider's refusal, reduced to what decides, and the error that it means.

No message repeats the provider's own words: they may quote the prompt or part of the key. They are searched for
known causes instead, and the cause is told in ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2

from app.llm.endpoint import Endpoint
from app.llm.errors import (
    ContentFiltered,
    ProviderBusy,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    ProviderUnauthorized,
)
from app.llm.retry_after import retry_after

# An error inside a stream comes after a status of 200; its type says which status it would have had.
STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "overloaded_error": 529,
}
# Both OpenAI and Anthropic report an empty account with a status that means something else.
NO_CREDIT = re.compile(r"insufficient_quota|insufficient.balance|credit balance is too low|billing_", re.IGNORECASE)
FILTERED = re.compile(r"content_filter|content_policy|content management policy", re.IGNORECASE)
HINTS = {
    re.compile(r"context.(length|window|size)|maximum context|prompt is too long", re.IGNORECASE): (
        "The conversation is longer than the model can read: lower context_tokens, or start a new thread."
    ),
    re.compile(r"max_(completion_|output_)?tokens", re.IGNORECASE): (
        "It does not accept this max_output_tokens: lower it in the message, the thread's settings or the preferences."
    ),
    re.compile(r"temperature", re.IGNORECASE): (
        "The model does not accept this temperature: leave it out of the message, the thread and the preferences."
    ),
    re.compile(r"\btools?\b|function.call", re.IGNORECASE): (
        "The model does not accept these tools: switch them off for this thread, or choose another model."
    ),
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """Its status, its words for machines (types, codes) and for people, and its headers."""

    status: int
    types: tuple[str, ...] = ()
    words: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_response(cls, response: httpx2.Response, body: object) -> Complaint:
        """From an answer whose status is an error, before any stream."""
        types, words, _ = _details(body)
        return cls(response.status_code, types, words, response.headers)

    @classmethod
    def in_stream(cls, body: object, headers: Mapping[str, str]) -> Complaint:
        """From an error event in a stream that began well; an unknown type counts as the provider's own fault."""
        types, words, number = _details(body)
        known = (STATUS_OF_TYPE[name] for name in types if name in STATUS_OF_TYPE)
        return cls(next(known, number or 500), types, words, headers)

    @property
    def request_id(self) -> str | None:
        """The provider's own number of the request, for its support."""
        return self.headers.get("x-request-id") or self.headers.get("request-id")

    def says(self, pattern: re.Pattern[str]) -> bool:
        """Whether its types or words name this cause."""
        return any(pattern.search(text) for text in (*self.types, self.words))


def refusal(endpoint: Endpoint, complaint: Complaint) -> ProviderError:
    """The error that a complaint means, with a message that says what to do."""
    kind = _kind(complaint)
    message = f"{endpoint.title} {VERBS[kind]} ({_label(complaint)}). {_advice(endpoint, kind, complaint)}"
    return kind(message, retry_after=retry_after(complaint.headers), request_id=complaint.request_id)


VERBS: Mapping[type[ProviderError], str] = {
    ProviderUnauthorized: "refused the key",
    ProviderRefused: "refused the request",
    ContentFiltered: "stopped the request",
    ProviderBusy: "is busy",
    ProviderDown: "failed",
}


def _kind(complaint: Complaint) -> type[ProviderError]:
    status = complaint.status
    if complaint.says(NO_CREDIT) or status in {401, 402, 403}:
        return ProviderUnauthorized
    if complaint.says(FILTERED):
        return ContentFiltered
    if status in {429, 529} or (status == 503 and retry_after(complaint.headers) is not None):
        return ProviderBusy
    return ProviderDown if status >= 500 or status in {408, 409, 425} else ProviderRefused


def _advice(endpoint: Endpoint, kind: type[ProviderError], complaint: Complaint) -> str:
    if kind is ContentFiltered:
        return "Its safety system objects: change the message."
    if kind is ProviderUnauthorized:
        if complaint.status == 402 or complaint.says(NO_CREDIT):
            return f"The account of {endpoint.key_variable} has no credit left: add some, or choose another model."
        return f"Set a valid {endpoint.key_variable} and restart."
    return _hint(endpoint, complaint) if kind is ProviderRefused else "Try again later, or choose another model."


def _hint(endpoint: Endpoint, complaint: Complaint) -> str:
    # Below 400 it is a redirect, which is not followed: the key would go along.
    if complaint.status == 404 or complaint.status < 400:
        return f"Check the model's name and {endpoint.url_variable}."
    causes = (advice for pattern, advice in HINTS.items() if complaint.says(pattern))
    request_id = complaint.request_id
    where = f" The provider's log has the reason under request {request_id}." if request_id else ""
    return next(causes, f"Change the request or the model.{where}")


def _label(complaint: Complaint) -> str:
    """Status and types: identifiers of the provider's API, short and plain enough to hold nothing else."""
    plain = [name for name in complaint.types if re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", name)]
    return " ".join([str(complaint.status), *plain])


def _details(body: object) -> tuple[tuple[str, ...], str, int | None]:
    """Types and codes, message, and a status given as the code, of an error body in the shapes that servers use."""
    match body:
        case {"error": dict(inner)}:
            return _details(inner)
        case {"error": str(words)} | str(words):
            return (), words, None
        case dict():
            named = [body.get(name) for name in ("type", "code", "param")]
            number = next((value for value in named if isinstance(value, int) and 400 <= value < 600), None)
            return tuple(value for value in named if isinstance(value, str)), str(body.get("message", "")), number
    return (), "", None
