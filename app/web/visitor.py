"""Who looks at a page, and where a person may be sent."""

from __future__ import annotations

from typing import Any

from flask import redirect
from werkzeug import Response

from app.auth import door


def present() -> dict[str, Any]:
    """What every page knows: who is signed in, if anybody."""
    return {"visitor": door.visitor()}


def local(path: str | None) -> str:
    r"""`path`, if it is one of this site, else the first page.

    Browsers take `\` for `/` and drop tabs and newlines, so `/\evil.example` leads away as `//evil.example` does.
    """
    stays = path and path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if path and stays else "/"


def see(path: str) -> Response:
    """Go on to `path` with a GET, so that reloading does not post again."""
    return redirect(path, 303)
