"""How long a text is in tokens when no provider has counted it."""

from __future__ import annotations


def estimate(text: str) -> int:
    """Tokens of `text`: a third of its UTF-8 bytes and a tenth on top, rounded up.

    Too many for English and about right for other scripts, so that a budget errs to the safe side. A real tokenizer
    would download its vocabulary at run time.
    """
    return estimate_bytes(len(text.encode("utf-8", "surrogatepass")))


def estimate_bytes(size: int) -> int:
    """The same of a text that is `size` bytes long."""
    return -(-size * 11 // 30)
