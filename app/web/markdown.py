"""What people and models write, as HTML: Markdown with highlighted code, of which nothing runs or leaves the site."""

from __future__ import annotations

import html
import threading
from collections import OrderedDict

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# Longer ones stay plain text: rendering would hold the web process's event loop for too long.
MOST_CHARS = 50_000
_MOST_CODE_CHARS = 20_000
# What the shelf keeps of finished texts: some thousands of usual replies.
_SHELF_CHARS = 8_000_000

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code", "span"),
    *("em", "strong", "s", "a", "table", "thead", "tbody", "tr", "th", "td"),
}
# No images: an address in one, which a model may have been talked into, would carry what it read to another site.
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes={"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}, "span": {"class"}},
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}, "pre": {"tabindex": "0"}},
)
_FORMATTER = HtmlFormatter(nowrap=True, classprefix="hl-")


def _highlighted(code: str, language: str, _attributes: str) -> str:
    if not language or len(code) > _MOST_CODE_CHARS:
        return ""
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return ""
    return highlight(code, lexer, _FORMATTER)


def _as_link(self: RendererHTML, tokens: list[Token], at: int, options: object, env: object) -> str:  # noqa: ARG001 - its shape is markdown-it's
    """An image as a link to it."""
    token = tokens[at]
    address = str(token.attrGet("src") or "")
    return f'<a href="{html.escape(address)}">{html.escape(token.content or address)}</a>'


def _parser(**options: object) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, **options})
    parser.enable(["table", "strikethrough"])
    parser.add_render_rule("image", _as_link)
    return parser


_WHOLE = _parser(highlight=_highlighted)
# Of a block that is still being written: its code is highlighted once, when it is closed.
_OPEN = _parser()


def render(text: str) -> Markup:
    """The whole text. What was rendered lately is kept."""
    kept = _shelf.get(text)
    if kept is None:
        kept = _safe(_WHOLE, text)
        _shelf.put(text, kept)
    return kept


def render_open(text: str) -> Markup:
    """A block that is still being written."""
    return _safe(_OPEN, text)


def last_block(text: str) -> int:
    """Where the last block of `text` begins; what stands before it is finished. In code points."""
    starts = [token.map[0] for token in _OPEN.parse(text) if token.level == 0 and token.map and token.nesting >= 0]
    lines = text.split("\n")[: starts[-1]] if len(starts) > 1 else []
    return sum(len(line) + 1 for line in lines)


def _safe(parser: MarkdownIt, text: str) -> Markup:
    if len(text) > MOST_CHARS:
        return Markup('<div class="plain">{}</div>').format(text)
    return Markup(_CLEANER.clean(parser.render(text)))  # noqa: S704 - cleaned just now


class _Shelf:
    """Rendered texts, the longest unused ones given up first."""

    def __init__(self, most_chars: int) -> None:
        self._most = most_chars
        self._chars = 0
        self._kept: OrderedDict[str, Markup] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, text: str) -> Markup | None:
        with self._lock:
            found = self._kept.get(text)
            if found is not None:
                self._kept.move_to_end(text)
            return found

    def put(self, text: str, rendered: Markup) -> None:
        with self._lock:
            if text not in self._kept:
                self._chars += len(text) + len(rendered)
                self._kept[text] = rendered
            while self._chars > self._most:
                gone, its = self._kept.popitem(last=False)
                self._chars -= len(gone) + len(its)


_shelf = _Shelf(_SHELF_CHARS)
