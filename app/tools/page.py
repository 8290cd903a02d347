"""What a fetched document says: its bytes within bounds, its characters, and of HTML the text that is shown."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.message import Message

from app.text import clean, printable
from app.tools.errors import ToolFailed
from app.tools.html_text import shown

MOST_BYTES = 2_000_000

_TEXTUAL = re.compile(r"text/[\w.+-]+|application/([\w.-]+\+)?(json|xml)|application/(x-)?(javascript|yaml|ndjson)")
_HTML = {"text/html", "application/xhtml+xml"}
# Of Python's codecs those that the web uses; some others take time that grows with the square of the length.
_CHARSET = re.compile(
    r"utf[-_]?(8|16|32)(-?[lb]e)?|us-ascii|ascii|latin-?1|iso-?8859-\d{1,2}|(windows-|cp)125\d|koi8-[ru]|"
    r"shift[-_]jis|euc-(jp|kr)|iso-2022-jp|gb(2312|k|18030)|big5(-hkscs)?|macintosh"
)
_DECLARED = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", re.IGNORECASE)
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_DECLARED_WITHIN = 2_048


@dataclass(frozen=True, slots=True)
class Page:
    """`title` is empty where there is none; `whole` tells that no byte was left out."""

    title: str
    text: str
    whole: bool


def is_text(content_type: str) -> bool:
    """Whether a document of this type can be read as text."""
    return _TEXTUAL.fullmatch(_kind(content_type)) is not None


def unpacked(chunks: Iterable[bytes], encoding: str, most: int = MOST_BYTES) -> tuple[bytes, bool]:
    """The first `most` bytes of a body as it was before `encoding`, and whether that is all of it.

    Neither what arrives nor what it unpacks to is ever held beyond `most`. Raises ToolFailed for an encoding other than
    gzip and for broken gzip.
    """
    if encoding in {"", "identity"}:
        return _joined(chunks, most)
    if encoding not in {"gzip", "x-gzip"}:
        raise ToolFailed(f"The page came compressed with {encoding[:20]!r}, which was not asked for.")
    return _joined(_inflated(chunks, most + 1), most)


def read(body: bytes, content_type: str, whole: bool, on_tag: Callable[[], object] = lambda: None) -> Page:
    """The document in `body`. Raises ToolFailed where it is binary after all, and what `on_tag` raises at a tag."""
    text = _decoded(body, content_type)
    if "\x00" in text:
        raise ToolFailed("The address has binary content, which cannot be read as text.")
    text = clean(printable(text))
    if _kind(content_type) not in _HTML:
        return Page("", text.strip(), whole)
    title, said = shown(text, on_tag)
    return Page(title, said, whole)


def _joined(chunks: Iterable[bytes], most: int) -> tuple[bytes, bool]:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > most:
            return bytes(body[:most]), False
    return bytes(body), True


def _inflated(chunks: Iterable[bytes], most: int) -> Iterable[bytes]:
    """Pieces of at most `most` bytes; one that long may leave something out, so its reader must stop there."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            yield unpacking.decompress(chunk, most)
            if unpacking.eof:
                return
    except zlib.error:
        raise ToolFailed("The page came with broken compression.") from None
    if not unpacking.eof:
        raise ToolFailed("The page ended in the middle of its compression.")


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _decoded(body: bytes, content_type: str) -> str:
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return body.decode(charset, "replace")
    header = Message()
    header["content-type"] = content_type
    declared = _DECLARED.search(body[:_DECLARED_WITHIN])
    for name in (header.get_content_charset(), declared and declared[1].decode("ascii", "replace")):
        if name and _CHARSET.fullmatch(name.lower()):
            return body.decode(name, "replace")
    return body.decode("utf-8", "replace")
