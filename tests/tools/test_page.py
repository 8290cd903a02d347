from __future__ import annotations

import gzip
import itertools
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tools.connection import Deadline
from app.tools.errors import ToolFailed, ToolTimeout
from app.tools.page import is_text, read, unpacked

HTML = "text/html; charset=utf-8"


def text_of(html: str) -> str:
    return read(html.encode(), HTML, whole=True).text


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "Text/Plain; charset=x",
        "application/json",
        "application/ld+json",
        "application/atom+xml",
        "text/csv",
    ],
)
def test_text_can_be_read(kind: str) -> None:
    assert is_text(kind)


@pytest.mark.parametrize("kind", ["", "image/png", "application/octet-stream", "application/pdf", "video/mp4", "x"])
def test_other_content_cannot(kind: str) -> None:
    assert not is_text(kind)


def test_html_becomes_the_text_that_is_shown_under_its_title() -> None:
    page = read(
        b"""<!doctype html><html><head><title> The\n shop </title><style>p { color: red }</style></head>
        <body><script>alert("no")</script><h1>Welcome</h1><p>We are <b>open</b>
        &amp; <a href="/x">sell boats</a>.</p><ul><li>red<li>blue</ul><template>no</template><noscript>no</noscript>
        <table><tr><td>1</td><td>2</td></tr></table>one<br>two<!-- no --></body></html>""",
        HTML,
        whole=True,
    )
    assert page.title == "The shop"
    assert page.text == "Welcome\nWe are open & sell boats.\nred\nblue\n1 2\none\ntwo"


def test_the_layout_of_preformatted_text_is_kept() -> None:
    assert text_of("<p>Run:</p><pre>if x:\n    y = <b>1</b>\n</pre><p>Done</p>") == "Run:\nif x:\n    y = 1\nDone"


def test_what_only_looks_like_a_tag_stays_text() -> None:
    assert text_of("<p>1 &lt; 2 and <3 and &lt;script&gt;x&lt;/script&gt;</p>") == "1 < 2 and <3 and <script>x</script>"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("Grüße".encode("latin-1"), "text/plain; charset=ISO-8859-1"),
        ("Grüße".encode(), "text/plain"),
        ("Grüße".encode("utf-16"), "text/plain"),
        ("\ufeffGrüße".encode(), "text/plain; charset=latin-1"),
        ('<meta charset="windows-1252">Grüße'.encode("cp1252"), "text/html"),
        ("<meta http-equiv=x content='text/html; charset=koi8-r'>Gr".encode("koi8-r") + "üße".encode(), HTML),
    ],
)
def test_characters_are_read_in_the_charset_that_is_named(body: bytes, kind: str) -> None:
    assert read(body, kind, whole=True).text == "Grüße"


@pytest.mark.parametrize("charset", ["punycode", "unicode_escape", "zip", "utf-7", "idna", "no-such", "\x00"])
def test_a_charset_that_the_web_does_not_use_is_passed_over(charset: str) -> None:
    assert read("Grüße".encode(), f"text/plain; charset={charset}", whole=True).text == "Grüße"


def test_binary_content_under_the_name_of_text_is_refused() -> None:
    with pytest.raises(ToolFailed, match="binary content"):
        read(b"\x89PNG\x00\x00\x00", "text/plain", whole=True)


def test_a_body_is_read_up_to_the_limit() -> None:
    assert unpacked([b"abc", b"def"], "", most=6) == (b"abcdef", True)
    assert unpacked([b"abc", b"def"], "", most=5) == (b"abcde", False)


def test_a_body_is_read_no_further_than_the_limit() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 1_000

    assert unpacked(endless(), "", most=5_000) == (b"x" * 5_000, False)


def test_a_compressed_body_is_unpacked() -> None:
    packed = gzip.compress(b"abc" * 1_000)
    assert unpacked([packed[:10], packed[10:]], "gzip") == (b"abc" * 1_000, True)
    assert unpacked([packed], "gzip", most=1_500) == (b"abc" * 500, False)
    assert unpacked([packed], "gzip", most=3_000) == (b"abc" * 1_000, True)


def test_a_bomb_is_unpacked_only_up_to_the_limit() -> None:
    bomb = gzip.compress(b"\x00" * 200_000_000)
    tracemalloc.start()
    body, whole = unpacked([bomb], "gzip")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(body), whole) == (2_000_000, False)
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("chunks", "encoding", "sentence"),
    [
        ([b"no gzip"], "gzip", "broken compression"),
        ([gzip.compress(b"abc" * 99)[:-9]], "gzip", "in the middle of its compression"),
        ([b"x"], "br", "compressed with 'br', which was not asked for"),
        ([b"x"], "gzip, gzip", "which was not asked for"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(chunks: list[bytes], encoding: str, sentence: str) -> None:
    with pytest.raises(ToolFailed, match=sentence):
        unpacked(chunks, encoding)


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 400_000,
        "<b>" * 600_000,
        "<table>" * 200_000,
        "<a" * 1_000_000,
        "<p>x" * 200_000,
        "<pre>x" * 200_000,
        "<!--" * 500_000,
        "<br>" * 400_000,
        "&" * 2_000_000,
        "<select><option>" * 120_000,
        "<svg><style>" * 150_000,
        "<script>" + "</scrip" * 280_000,
        "</a" * 600_000 + ">",
        "<a x='" * 300_000,
        "<a " + "x=1 " * 500_000,
        "<a" + "/" * 1_900_000,
        "<a" + " " * 1_900_000,
        "<a x" + "=" * 1_900_000,
        "<![" * 600_000,
        "<![x[" + "] " * 900_000,
        "<?" * 900_000,
        "<!x" * 600_000 + ">",
        "< " * 900_000,
        "&#" * 900_000 + ";",
        "&" + "a" * 1_900_000,
    ],
    ids=lambda html: html[:10],
)
def test_no_page_of_the_largest_size_keeps_it_busy(html: str) -> None:
    started = time.process_time()
    read(html.encode(), HTML, whole=False)
    assert time.process_time() - started < 15


@given(st.text(alphabet="<>/!-?[]&;#='\" \nabpretxlsyidv01\x1c\u00e9", max_size=200))
def test_no_page_however_broken_breaks_it(html: str) -> None:
    read(html.encode(), HTML, whole=True)


def test_a_page_that_takes_too_long_ends_at_the_deadline() -> None:
    deadline = Deadline(0.05)
    with pytest.raises(ToolTimeout):
        read(b"<b>" * 600_000, HTML, whole=False, on_tag=deadline.left)


def test_the_deadline_is_looked_at_with_every_tag() -> None:
    seen = itertools.count()
    read(b"<p>a<b>b</b><script>c</script></p>", HTML, whole=True, on_tag=lambda: next(seen))
    assert next(seen) == 7, "six tags and the one that ends every page"


def test_text_after_an_element_that_is_never_closed_is_kept() -> None:
    assert text_of("<title>x</title><p>one<li>two<pre>three &amp") == "one\ntwo\nthree &"


def test_a_picture_has_no_title_of_the_page() -> None:
    page = read(b"<svg><title>icon</title></svg><title>page</title>said<svg><svg></svg>no</svg>", HTML, whole=True)
    assert (page.title, page.text) == ("page", "said")
