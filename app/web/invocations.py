"""Tool calls as pages show them: their arguments as JSON, and the beginning of what came of them."""

from __future__ import annotations

from typing import Any

from flask import Flask, json

_BRIEF_CHARS = 120


def init_app(app: Flask) -> None:
    """Register the filters."""
    app.add_template_filter(written, "written")
    app.add_template_filter(brief, "brief")


def written(arguments: Any) -> str:
    """Arguments to read and to change; what is no JSON is shown as the model wrote it."""
    if isinstance(arguments, str):
        return arguments
    return json.dumps(arguments, indent=2, ensure_ascii=False, sort_keys=False)


def brief(text: str | None) -> str:
    """The beginning of a result, in one line."""
    line = " ".join((text or "")[: 4 * _BRIEF_CHARS].split())
    return line if len(line) <= _BRIEF_CHARS else f"{line[: _BRIEF_CHARS - 1]}…"
