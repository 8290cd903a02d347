"""Markdown as HTML: what is shown, what is not, and how it grows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web import markdown
from app.web.growing import Growing
from tests.web.test_smuggling import CORPUS

MIXED = """# Title

One *line*
and another.

- a
- b

```python
def f():
    return "x"
```

| a | b |
|---|---|
| 1 | `2` |

> quoted

The end."""


def test_the_usual_marks_are_shown() -> None:
    html = markdown.render(MIXED)
    for tag in ("<h1>", "<em>", "<br>", "<ul>", "<table>", "<blockquote>", '<span class="hl-k">def</span>'):
        assert tag in html


@pytest.mark.parametrize("language", ["", "nonsense", '"><script>', "python " * 50])
def test_code_in_any_language_is_shown(language: str) -> None:
    html = markdown.render(f"```{language}\n<b>1 < 2</b>\n```")
    assert "<b>" not in html
    assert "<script" not in html
    assert "1 &lt; 2" in re.sub(r"</?span[^>]*>", "", html)


def test_an_image_becomes_a_link_that_nothing_loads() -> None:
    html = markdown.render("![the sea](https://elsewhere.example/sea.png)")
    assert "<img" not in html
    assert 'href="https://elsewhere.example/sea.png"' in html
    assert ">the sea</a>" in html


@pytest.mark.parametrize("text", CORPUS)
def test_no_markup_of_anybodys_own_is_left(text: str) -> None:
    for html in (markdown.render(text), markdown.render_open(text)):
        tags = set(re.findall(r"<([a-z0-9]+)", html))
        assert tags <= {"p", "br", "a", "code", "em", "strong", "ol", "ul", "li", "table", "thead", "tr", "th", "pre"}
        assert not re.search(r"<[^>]*(javascript:|data:|\son|\shx-|\sstyle)", html)


def test_what_is_too_long_stays_as_it_is() -> None:
    text = "*x* <b>" * 20_000
    assert markdown.render(text) == f'<div class="plain">{"*x* &lt;b&gt;" * 20_000}</div>'


def grown(text: str, sizes: list[int]) -> str:
    """The finished blocks of a text that came in pieces, and its open block."""
    growing, finished, at = Growing(1), "", 0
    for size in [*sizes, len(text)]:
        assert growing.join(at, text[at : at + size])
        at = min(len(text), at + size)
        growth = growing.grown()
        finished += growth.finished
    assert (growth.length, growth.done + growing.open_chars) == (len(text), len(text))
    return finished + markdown.render(text[growth.done :])


@given(st.lists(st.integers(1, 9), max_size=40))
def test_a_text_that_grew_block_by_block_is_shown_as_the_whole_one(sizes: list[int]) -> None:
    assert grown(MIXED, sizes) == markdown.render(MIXED)


def test_pieces_that_are_there_already_are_not_joined_twice_and_gaps_show() -> None:
    growing = Growing(1)
    assert growing.join(0, "one 👋 ")
    assert growing.join(4, "👋 two")
    assert growing.text == "one 👋 two"
    assert not growing.join(99, "lost")
    assert growing.text == "one 👋 two"


def test_a_text_that_became_too_long_is_shown_whole_each_time() -> None:
    growing = Growing(1, "a\n\nb\n\n")
    assert growing.grown().done > 0
    growing.join(6, "x" * markdown.MOST_CHARS)
    growth = growing.grown()
    assert (growth.start, growth.done, growth.finished) == (0, 0, "")
