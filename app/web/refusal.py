"""What a thread's page says, at a message, when something could not be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import request

from app.chat.errors import ChatError, InvalidField
from app.web.forms import Refused

_STATUS = {"gone": 410, "validation_error": 422}
# What people are told instead of what programs are.
_SENTENCES = {
    "action_resolved": "This is not asked any more: it was answered elsewhere, or the reply has ended. "
    "What you sent was not used.",
}
# What somebody wrote by hand, and would be sorry to lose.
_WRITTEN = ("content", "reason-", "arguments-")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why; `errors` has a sentence for each field that must change, or one without a field.

    `form` is what was tried, as its address ends; `sent` is what was sent.
    """

    message_id: UUID
    status: int
    errors: Mapping[str, str]
    form: str
    sent: Mapping[str, str]

    def answers(self, asked: Mapping[str, Any] | None) -> bool:
        """Whether it was the answer to this action."""
        return self.form == "input" and asked is not None and asked["id"] == self.sent.get("action_id")

    @property
    def written(self) -> str:
        """What was written in the form, for when the page no longer has that form."""
        return "\n\n".join(text for name, text in self.sent.items() if name.startswith(_WRITTEN) and text)


def refusal(message_id: UUID, error: ChatError | Refused) -> Refusal:
    """The refusal of this request's form, which is about a message."""
    status, errors = _said(error)
    return Refusal(message_id, status, errors, request.path.rpartition("/")[2], request.form.to_dict())


def _said(error: ChatError | Refused) -> tuple[int, Mapping[str, str]]:
    if isinstance(error, Refused):
        return 422, error.errors
    named = error.field if isinstance(error, InvalidField) else ""
    return _STATUS.get(error.code, 409), {named: _SENTENCES.get(error.code, str(error))}
