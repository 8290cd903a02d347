"""Attachments are what their bytes say, whatever they are called; nothing is fetched."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from app.chat.attaching import attachment
from app.chat.errors import InvalidField
from tests.chat.asking import PDF, PNG, url

WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 "


@pytest.mark.parametrize(
    ("content", "media_type", "name"),
    [
        (PNG, "image/png", "image.png"),
        (b"\xff\xd8\xff\xe0 and so on", "image/jpeg", "image.jpeg"),
        (b"GIF89a and so on", "image/gif", "image.gif"),
        (WEBP, "image/webp", "image.webp"),
        (PDF, "application/pdf", "file.pdf"),
        ("Grüße\n".encode(), "text/plain", "file.txt"),
    ],
)
def test_it_is_recognised_by_its_first_bytes(app: Flask, content: bytes, media_type: str, name: str) -> None:
    found = attachment("f", "file", url(content, "image/svg+xml"))
    assert (found.media_type, found.content, found.name) == (media_type, content, name)
    assert attachment("f", "file", b64encode(content).decode(), "x.y").name == "x.y"


def test_text_may_come_percent_encoded_and_is_cleaned(app: Flask) -> None:
    assert attachment("f", "file", "data:text/plain,a%20b%0D%0Ac%07").content == b"a b\nc"


@pytest.mark.parametrize(
    ("kind", "given_", "says"),
    [
        ("image", "https://example.org/cat.png", "not fetched"),
        ("file", "file:///etc/passwd", "not fetched"),
        ("image", url(PDF), "is no PNG"),
        ("image", url(b"<svg/>"), "is no PNG"),
        ("file", url(b"\x7fELF\x00\x00"), "is no PDF"),
        ("file", url(b"a\x00b"), "is no PDF"),
        ("file", url(b""), "is no PDF"),
        ("image", "data:image/png;base64,AAA", "neither a data: URL nor base64"),
        ("image", "not base64 at all!", "neither a data: URL nor base64"),
    ],
)
def test_anything_else_is_refused(app: Flask, kind: Any, given_: str, says: str) -> None:
    with pytest.raises(InvalidField, match=says) as refused:
        attachment("items.3", kind, given_)
    assert refused.value.field == "items.3"


@settings(deadline=None)
@given(content=st.binary(max_size=50) | st.text(max_size=50).map(lambda text: text.encode("utf-8", "replace")))
def test_no_bytes_do_worse_than_being_refused(content: bytes) -> None:
    try:
        found = attachment("f", "file", url(content))
    except InvalidField:
        return
    assert found.shown["bytes"] == len(found.content)
