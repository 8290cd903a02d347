"""How each kind of step meets its errors: which are worth another try, how often, after which pauses, and what then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_never
from tenacity.wait import wait_exponential_jitter

from app.llm.errors import ProviderError
from app.tools.errors import ToolError


class Kind(StrEnum):
    """The kinds of steps a reply is made of."""

    CONTEXT = "context"
    TOOLS = "tools"
    MODEL = "model"
    TOOL_CALL = "tool call"
    COMMIT = "commit"


def database_passes(error: object) -> bool:
    """Whether it is trouble of the database itself, which is worth waiting for, and no refusal of what was asked."""
    return isinstance(error, SQLAlchemyError) and not isinstance(error, (DataError, IntegrityError, ProgrammingError))


def _says_so(error: object) -> bool:
    return isinstance(error, (ProviderError, ToolError)) and error.retryable


@dataclass(frozen=True, slots=True)
class Policy:
    """`worth` tells the errors that another try may cure; `retries` is how often, None without end while it has the
    right to. Pauses double from `first_seconds` to `most_seconds`. `deadline` names what ends one try, `then` what
    happens at last."""

    worth: Callable[[object], bool]
    retries: int | None
    first_seconds: float
    most_seconds: float
    deadline: str
    then: str

    def pause(self, state: RetryCallState) -> float:
        """Seconds before the next try, with some chance in it so that many do not come back at once."""
        return wait_exponential_jitter(multiplier=self.first_seconds, max=self.most_seconds, jitter=self.first_seconds)(
            state
        )

    def retrying(self, **options: Any) -> Retrying:
        """tenacity's loop of this policy. `options` are its own and come first; one without end needs a `stop`."""
        usual: dict[str, Any] = {"retry": retry_if_exception(self.worth), "wait": self.pause, "reraise": True}
        usual["stop"] = stop_never if self.retries is None else stop_after_attempt(self.retries + 1)
        return Retrying(**usual | options)


_OVER = "the reply is handed over to whichever worker comes next"

POLICIES: Mapping[Kind, Policy] = {
    Kind.CONTEXT: Policy(database_passes, 0, 0, 0, deadline="20 s for a lock", then=_OVER),
    Kind.TOOLS: Policy(
        _says_so, 0, 0, 0, deadline="each server's own timeout", then="they are not offered; the receipt says why"
    ),
    Kind.MODEL: Policy(
        _says_so,
        retries=3,
        first_seconds=0.5,
        most_seconds=8,
        deadline="FIRST_TOKEN_SECONDS and BETWEEN_TOKENS_SECONDS",
        then="the reply waits where the provider asked for it, else it fails with its text so far",
    ),
    Kind.TOOL_CALL: Policy(
        _says_so,
        retries=1,
        first_seconds=0.5,
        most_seconds=2,
        deadline="the tool's own, at most TOOL_SECONDS",
        then="the model is told; a call that is not idempotent is told of at once",
    ),
    Kind.COMMIT: Policy(
        database_passes,
        retries=None,
        first_seconds=0.1,
        most_seconds=1,
        deadline="20 s for a lock",
        then="the lease lapses, and another attempt goes on",
    ),
}
