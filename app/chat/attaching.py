"""Attachments: images and files that come inline, recognised by their own first bytes, kept beside their messages."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote_to_bytes
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from app.chat.errors import InvalidField
from app.ids import new_id
from app.models import Attachment, Message
from app.models.columns import table
from app.text import UncleanText, clean

Kind = Literal["image", "file"]

PDF = "application/pdf"
TEXT = "text/plain"

_NAME_CHARS = 200
_SIGNS: Mapping[str, re.Pattern[bytes]] = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    PDF: re.compile(rb"%PDF-"),
}
_DATA_URL = re.compile(r"data:([^,]*?)(;base64)?,(.*)", re.DOTALL | re.IGNORECASE)
_WEB = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Attached:
    """Something that came with a message; `media_type` is what its bytes say it is."""

    media_type: str
    content: bytes
    name: str
    id: UUID = field(default_factory=new_id)

    @property
    def shown(self) -> dict[str, Any]:
        """As a message lists it: everything but the content."""
        kind = "image" if self.media_type.startswith("image/") else "file"
        known = {"media_type": self.media_type, "name": self.name, "bytes": len(self.content)}
        return {"id": str(self.id), "type": kind, **known}


def attachment(field: str, kind: Kind, given: str, name: str | None = None) -> Attached:
    """An image or a file given as a `data:` URL or as bare base64.

    Raises InvalidField (`field`) for a web address, which is never fetched, and for what is none of PNG, JPEG, GIF,
    WebP, PDF and UTF-8 text.
    """
    content = _content(field, given)
    media_type = _sniffed(content)
    if media_type is None or (kind == "image" and not media_type.startswith("image/")):
        wanted = "PNG, JPEG, GIF or WebP image" if kind == "image" else "PDF, text (UTF-8) or image"
        raise InvalidField(field, f"is no {wanted}")
    if media_type == TEXT:
        content = _cleaned(field, content)
    return Attached(media_type, content, _named(field, name, media_type))


def store(session: Session, thread_id: UUID, attached: Iterable[Attached]) -> None:
    """Insert the contents."""
    rows = [
        {"id": one.id, "thread_id": thread_id, "media_type": one.media_type, "content": one.content} for one in attached
    ]
    if rows:
        session.execute(insert(table(Attachment)), rows)


def contents(session: Session, messages: Iterable[Any]) -> dict[UUID, bytes]:
    """What the messages list in `attachments`, by id."""
    ids = [UUID(one["id"]) for message in messages for one in message.attachments]
    if not ids:
        return {}
    rows = session.execute(select(Attachment.id, Attachment.content).where(Attachment.id.in_(ids)))
    return {row.id: row.content for row in rows}


def forget(session: Session, thread_id: UUID, listed: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """Delete the contents that messages, which are deleted already, have `listed`, unless another one lists them."""
    gone = {one["id"] for attachments in listed for one in attachments}
    if not gone:
        return
    kept = session.scalars(select(Message.attachments).where(Message.thread_id == thread_id))
    gone -= {one["id"] for attachments in kept for one in attachments}
    session.execute(delete(Attachment).where(Attachment.id.in_([UUID(id_) for id_ in gone])))


def _content(field: str, given: str) -> bytes:
    """The bytes. Raises InvalidField for what does not carry them."""
    if _WEB.match(given):
        raise InvalidField(field, "is an address on the web, which is not fetched; give the content as a data: URL")
    url = _DATA_URL.fullmatch(given)
    if url is not None and url[2] is None:
        return unquote_to_bytes(url[3])
    try:
        return b64decode(_SPACES.sub("", given if url is None else url[3]), validate=True)
    except ValueError:
        raise InvalidField(field, "is neither a data: URL nor base64") from None


def _sniffed(content: bytes) -> str | None:
    """What the bytes are; None for what nobody here knows."""
    for media_type, sign in _SIGNS.items():
        if sign.match(content):
            return media_type
    try:
        return TEXT if content and "\0" not in content.decode() else None
    except UnicodeDecodeError:
        return None


def _cleaned(field: str, content: bytes) -> bytes:
    try:
        return clean(content.decode()).encode()
    except UncleanText as error:
        raise InvalidField(field, str(error)) from None


def _named(field: str, name: str | None, media_type: str) -> str:
    """What it is called; without a name, after its kind."""
    try:
        given = clean(name or "").strip()
    except UncleanText as error:
        raise InvalidField(field, str(error)) from None
    return given[:_NAME_CHARS] or f"{'image' if media_type.startswith('image/') else 'file'}.{_ending(media_type)}"


def _ending(media_type: str) -> str:
    return "txt" if media_type == TEXT else media_type.partition("/")[2]
