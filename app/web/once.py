"""A form that is sent twice posts once: its own number, and what was written in it, are the key."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID, uuid4

from flask import Flask, request, url_for

from app.chat.idempotency import Answer, Once
from app.chat.objects import Sent

_MOST_CHARS = 64


def init_app(app: Flask) -> None:
    """Let pages number their forms."""
    app.add_template_global(lambda: uuid4().hex, "number")


def once(user_id: UUID, *written: str) -> Once | None:
    """The key of this request's form. What was `written` belongs to it, for going back and changing that."""
    number = request.form.get("once", "")
    if not number or len(number) > _MOST_CHARS or not number.isprintable():
        return None
    fingerprint = sha256("\0".join([request.path, *written]).encode()).hexdigest()
    return Once(user_id, f"page:{number}:{fingerprint}", fingerprint)


def there(sent: Sent) -> Answer:
    """Back to the thread."""
    return Answer(303, address(sent), b"")


def address(sent: Sent) -> str:
    """The thread's."""
    return url_for("web.threads.show", thread_id=sent.thread.id)
