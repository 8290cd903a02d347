"""Why nothing can be checked."""

from __future__ import annotations


class Unusable(Exception):
    """What was given, or the database itself, cannot be read; the message is one sentence for the terminal."""
