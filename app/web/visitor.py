"""Who looks at a page, how it looks, and where a person may be sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Flask, redirect, request
from werkzeug import Response

from app.auth import door

# The display's own first.
THEMES = ("hud", "light")
THEME_COOKIE = "theme"


def init_app(app: Flask) -> None:
    """Let pages say where they are."""
    app.add_template_global(here, "here")


def present() -> dict[str, Any]:
    """What every page knows: who is signed in, if anybody, and how pages look."""
    return {"visitor": door.visitor(), "theme": theme()}


def theme() -> str:
    """The one that was chosen, or the display's own."""
    wanted = request.cookies.get(THEME_COOKIE, "")
    return wanted if wanted in THEMES else THEMES[0]


def here() -> str:
    """The address of the page that is shown: of a form's answer, that of the page it was sent from."""
    shown = request.full_path.rstrip("?") if request.method == "GET" else urlsplit(request.referrer or "").path
    return local(shown)


def local(path: str | None) -> str:
    r"""`path`, if it is one of this site, else the first page.

    Browsers take `\` for `/` and drop tabs and newlines, so `/\evil.example` leads away as `//evil.example` does.
    """
    stays = path and path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if path and stays else "/"


def see(path: str) -> Response:
    """Go on to `path` with a GET, so that reloading does not post again."""
    return redirect(path, 303)
