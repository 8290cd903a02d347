"""The text that a browser would show of an HTML document.

It reads a stream of tags and builds no tree: the rules for trees take time and memory that grow with the square of a
hostile page (2 MB of `<div>` kept a fast parser in C busy for minutes, with the whole process waiting for it).
"""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "div", "dl", "dt", "fieldset"}
    | {"figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li"}
    | {"main", "nav", "ol", "optgroup", "option", "p", "pre", "section", "summary", "table", "tr", "ul"}
)
_CELLS = frozenset({"td", "th"})
_UNSHOWN = frozenset({"canvas", "iframe", "math", "noscript", "object", "script", "style", "svg", "template"})
_Attributes = list[tuple[str, str | None]]


def shown(html: str, on_tag: Callable[[], object] = lambda: None) -> tuple[str, str]:
    """Title and text of `html`, a line for each block; preformatted text keeps its layout.

    `on_tag` is called at every tag; what it raises ends the reading.
    """
    reader = _Reader(on_tag)
    # One piece and no close(): with several, or at the end, the parser may look at the same characters again and again.
    reader.feed(f"{html}</html>")
    return reader.title, reader.text


class _Reader(HTMLParser):
    """Collects title and lines."""

    def __init__(self, on_tag: Callable[[], object]) -> None:
        super().__init__(convert_charrefs=True)
        self._on_tag = on_tag
        self._title: list[str] = []
        self._lines: list[str] = []
        self._line: list[str] = []
        self._within: str | None = None  # the outermost unshown element, or the title
        self._nested = 0
        self._in_pre = 0

    @property
    def title(self) -> str:
        """The first title, on one line."""
        return " ".join("".join(self._title).split())

    @property
    def text(self) -> str:
        """What was shown so far."""
        self._break()
        return "\n".join(self._lines)

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        self._on_tag()
        if self._within is not None:
            self._nested += tag == self._within
        elif tag in _UNSHOWN or (tag == "title" and not self._title):
            self._within, self._nested = tag, 1
        else:
            self._shape(tag)
            self._in_pre += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        self._on_tag()
        if self._within is None:
            self._shape(tag)
            self._in_pre = max(0, self._in_pre - (tag == "pre"))
        elif tag == self._within:
            self._nested -= 1
            self._within = self._within if self._nested else None

    def handle_data(self, data: str) -> None:
        if self._within == "title":
            self._title.append(data)
        elif self._within is None and self._in_pre:
            self._keep(data)
        elif self._within is None:
            self._line.append(data)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Pass over `<![…>`, as browsers do; the parser's own way raises AssertionError where it is malformed."""
        return self.parse_bogus_comment(i, report)

    def _shape(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._break()
        elif tag in _CELLS:
            self._line.append(" ")

    def _keep(self, data: str) -> None:
        first, *others = data.split("\n")
        self._line.append(first)
        for line in others:
            self._break()
            self._line.append(line)

    def _break(self) -> None:
        text = "".join(self._line)
        self._line.clear()
        line = text.rstrip() if self._in_pre else " ".join(text.split())
        if line:
            self._lines.append(line)
