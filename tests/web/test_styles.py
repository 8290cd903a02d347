"""One stylesheet: colours and lengths have names, which stand at its top."""

from __future__ import annotations

import re

from tests.support.copy import ROOT

_LITERAL = re.compile(r"#[0-9a-f]{3,8}\b|\brgba?\(|\bhsla?\(|\b\d*\.?\d+(?:px|rem|pt)\b", re.IGNORECASE)
_NAMED = re.compile(r"--([a-z0-9-]+):")
STYLE = (ROOT / "app" / "static" / "holdfast.css").read_text()


def rules() -> str:
    """The stylesheet without the blocks that give names, comments, and what stands in the head of a @media rule."""
    text = re.sub(r"/\*.*?\*/", "", STYLE, flags=re.DOTALL)
    text = re.sub(r"(?m)^(?::root|@media screen|@property --cell) \{.*?^\}", "", text, flags=re.DOTALL)
    return re.sub(r"@media[^{]*", "", text)


def test_no_colour_or_length_stands_outside_the_names() -> None:
    found = [line for line in rules().splitlines() if _LITERAL.search(line) and "minmax(" not in line]
    assert [line for line in found if "flex:" not in line] == []


def test_every_name_that_is_used_is_given_and_the_other_way_round() -> None:
    given = set(_NAMED.findall(STYLE)) | {"x", "y", "w", "h"}  # the last ones by hud.js
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", STYLE))
    assert used - given == set()
    assert given - used == {"is-wide"}  # which hud.js asks for


def test_templates_have_neither_styles_nor_scripts_of_their_own() -> None:
    for template in (ROOT / "app" / "templates").rglob("*.html"):
        text = template.read_text()
        assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=", text), template
