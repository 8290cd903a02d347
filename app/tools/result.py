"""Results as text that a model can be told and a database can keep."""

from __future__ import annotations

import re
from dataclasses import replace

from pydantic_core import to_json

from app.text import clean, printable
from app.tools.errors import ToolFailed
from app.tools.outcome import Done, Finish, Outcome, Pause, Plan, Question

# What text does not hold, but for accidents: three, or one in fifty characters.
_FOREIGN = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd\ud800-\udfff]")
_LOOKED_AT = 10_000


def outcome_of(value: object) -> Outcome:
    """What a tool's function returned, as an outcome: text as it is, anything else as JSON. Raises ToolFailed."""
    if isinstance(value, Done | Pause | Question | Finish | Plan):
        return value
    if isinstance(value, str):
        return Done(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise ToolFailed(f"The tool gave {len(value):,} bytes of binary content, which is of no use here.")
    try:
        return Done(to_json(value).decode())
    except ValueError:
        raise ToolFailed(f"The tool gave a {type(value).__name__}, which cannot be written as JSON.") from None


def shaped(outcome: Outcome, most: int) -> Outcome:
    """`outcome` with a result of at most `most` code points and a word about the rest. Raises ToolFailed for binary."""
    if not isinstance(outcome, Done):
        return outcome
    return replace(outcome, result=cut(outcome.result, most))


def cut(text: str, most: int) -> str:
    """`text` cleaned, its first `most` code points and, where it was longer, how long. Raises ToolFailed for binary."""
    start = text[:most]
    looked_at = start[:_LOOKED_AT]
    if len(_FOREIGN.findall(looked_at)) > len(looked_at) / 50 + 3:
        raise ToolFailed(f"The tool gave {len(text):,} characters of binary content, which is of no use here.")
    kept = clean(printable(start))
    return kept if len(text) <= most else f"{kept}\n… cut at {most:,} characters of {len(text):,}."
