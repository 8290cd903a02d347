"""What any text goes through once, at the door, before a rule or a database sees it."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

_REFUSED = re.compile("[\x00\ud800-\udfff]")
_REMOVED = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_ENDS = re.compile("\r\n?|\x85")
# Writers and readers of JSON recurse: a hundred times this exhausts some of them.
_DEEPEST = 32


class UncleanText(ValueError):
    """It holds what no database or encoder can keep: NUL, a lone surrogate, infinity, or a tower of brackets."""


def clean(text: str) -> str:
    """`text` with line ends as LF and without control characters but tab and LF. Raises UncleanText."""
    if _REFUSED.search(text):
        raise UncleanText("holds a NUL character or half of a surrogate pair; remove it")
    return _REMOVED.sub("", _LINE_ENDS.sub("\n", text))


def clean_all(value: Any, deeper: int = _DEEPEST) -> Any:
    """`clean` for every string inside a JSON value, keys included. Raises UncleanText."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not isfinite(value):
        raise UncleanText("holds a number that is too large")
    if isinstance(value, list | dict) and not deeper:
        raise UncleanText(f"is nested more than {_DEEPEST} levels deep")
    if isinstance(value, list):
        return [clean_all(item, deeper - 1) for item in value]
    if isinstance(value, dict):
        return {clean(key): clean_all(item, deeper - 1) for key, item in value.items()}
    return value


def printable(text: str) -> str:
    """`text` of a foreign source (a model, a provider) made storable: what `clean` refuses becomes U+FFFD."""
    return _REFUSED.sub("\ufffd", text)


def for_terminal(text: str) -> str:
    r"""`text` without what a terminal obeys: control characters but tab and LF as \uXXXX, which in JSON is the same."""
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
