"""The scripts that come from npm: where they are not installed, pages work as they do without JavaScript."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

_NEEDED = ("htmx.min.js", "hx-sse.min.js")


def init_app(app: Flask) -> None:
    """Let templates know; looked at once a process."""
    folder = Path(str(app.static_folder)) / "vendor"
    app.jinja_env.globals["assets"] = all((folder / name).is_file() for name in _NEEDED)
