"""Believing or doubting the tokens that a provider has counted."""

from __future__ import annotations

from app.llm.types import Usage

# More than any model reads or writes in one call; a count beyond it is a bug on the other side.
ABSURD = 100_000_000


def believed(prompt: int, completion: int, cached: int = 0, reasoning: int = 0) -> Usage | None:
    """The counts, or None where they cannot be true: then the caller estimates, rather than charge nonsense."""
    believable = 0 <= cached <= prompt < ABSURD and 0 <= reasoning <= completion < ABSURD
    return Usage(prompt, completion, cached, reasoning) if believable else None
