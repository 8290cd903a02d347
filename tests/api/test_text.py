"""Text at the door: what is refused, what is cleaned, what comes back as it was sent."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.text import UncleanText, clean, clean_all, for_terminal, printable
from tests.api.conftest import Person, Traces, fields

REFUSED = ["\0", "a\0b", "\ud800", "x\udfff", "\udc00\ud800"]
CONTROLS = "".join(map(chr, [*range(1, 9), 11, 12, *range(14, 32), *range(127, 133), *range(134, 160)]))
MESSY, CLEAN = f"\ufeffone\r\ntwo\rthree\x85four{CONTROLS}\t\xa0end\u2028", "\ufeffone\ntwo\nthree\nfour\t\xa0end\u2028"


def raw(person: Person, method: str, path: str, body: dict[str, Any]) -> Any:
    """A request whose JSON spells every character beyond ASCII as an escape, lone surrogates too."""
    return person.call(method, path, data=json.dumps(body), content_type="application/json")


def test_nul_and_half_pairs_are_refused_in_every_text(ada: Person, traces: Callable[[], Traces]) -> None:
    thread = f"/api/threads/{ada.post('/api/threads').json['id']}"
    before = traces()
    for text in REFUSED:
        message = {"content": f"x{text}", "title": text, "instructions": text, "model": text, "metadata": {"a": [text]}}
        chosen = {"model": text, "instructions": text}
        named = [
            (raw(ada, "POST", "/api/messages", message), set(message)),
            (raw(ada, "POST", f"{thread}/messages", {"content": "x", "metadata": {text: 1}}), {"metadata"}),
            (raw(ada, "POST", "/api/threads", {"title": text, "metadata": {"a": {text: 1}}}), {"title", "metadata"}),
            (raw(ada, "PATCH", thread, {"settings": chosen}), {"settings.model", "settings.instructions"}),
            (raw(ada, "PATCH", "/api/me", {"name": text, "image": f"https://{text}"}), {"name", "image"}),
            (raw(ada, "PATCH", "/api/me", {"preferences": {"instructions": text}}), {"preferences.instructions"}),
            (raw(ada, "POST", "/api/keys", {"name": text}), {"name"}),
            (raw(ada, "POST", "/api/users", {"email": f"{text}@example.com", "password": "long enough"}), {"email"}),
            (raw(ada, "POST", "/api/session", {"email": f"{text}@example.com", "password": "long enough"}), {"email"}),
        ]
        for answer, names in named:
            assert fields(answer) == names, (text, answer.request.path)
    assert traces() == before


def test_an_unknown_member_with_an_impossible_name_is_422(ada: Person) -> None:
    for text in REFUSED:
        assert fields(raw(ada, "POST", "/api/threads", {text: 1}))


def test_control_characters_go_and_line_ends_become_one(ada: Person) -> None:
    sent = ada.say(MESSY, title=MESSY, metadata={MESSY: [MESSY, {"a": MESSY}]})
    assert sent["message"]["content"] == sent["thread"]["title"] == CLEAN
    assert sent["message"]["metadata"] == {CLEAN: [CLEAN, {"a": CLEAN}]}
    assert ada.get(f"/api/messages/{sent['message']['id']}").json == sent["message"]
    assert ada.post("/api/keys", {"name": MESSY}).json["name"] == CLEAN
    changed = ada.patch("/api/me", {"name": MESSY, "preferences": {"instructions": MESSY}}).json
    assert (changed["name"], changed["preferences"]) == (CLEAN, {"instructions": CLEAN})


def test_difficult_text_comes_back_as_it_was_sent(ada: Person) -> None:
    difficult = [
        "😀👩‍👩‍👧‍👦",
        "e\u0301 \u0661 \u202eright to left\u202c",
        "'; DROP TABLE messages; --",
        "<script>alert(1)</script> {{ 7 * 7 }} ${x} %s %(a)s \\u0000 \\x00 \\",
        "\U0010ffff\ufffe\ufdd0\u200b",
        "  spaces kept  ",
        '{"cursor":"1-1"}',
    ]
    for text in difficult:
        sent = ada.say(text, metadata={"key": text})
        assert sent["message"]["content"] == sent["message"]["metadata"]["key"] == text
        assert ada.get(f"/api/messages/{sent['message']['id']}").json == sent["message"]


def test_metadata_keeps_its_values_and_refuses_what_no_database_keeps(ada: Person) -> None:
    kept = {"n": None, "t": True, "i": 2**80, "big": int("9" * 4_000), "f": 1e308, "deep": {"a": [[[[{}]]]]}, "": ""}
    sent = ada.say(metadata=kept)
    assert sent["message"]["metadata"] == kept
    assert ada.get(f"/api/messages/{sent['message']['id']}").json["metadata"] == kept
    towers = ["[" * depth + "]" * depth for depth in (40, 300, 900)]
    for value in ("1e999", "-1e999", "[1e400]", *towers):
        body = b'{"content":"x","metadata":{"a":%s}}' % value.encode()
        answer = ada.call("POST", "/api/messages", data=body, content_type="application/json")
        assert fields(answer) == {"metadata"}, value[:10]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_clean_stays_so_and_can_be_encoded(value: Any) -> None:
    try:
        once = clean_all(value)
    except UncleanText:
        return
    assert clean_all(once) == once
    json.dumps(once, ensure_ascii=False, allow_nan=False).encode()


@given(st.text())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_foreign_text_becomes_storable_without_growing(text: str) -> None:
    stored = printable(text)
    assert len(stored) == len(text)
    clean(stored).encode()


@given(st.text())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_what_a_terminal_is_shown_commands_it_nothing_and_stays_the_same_json(text: str) -> None:
    shown = for_terminal(json.dumps([text], ensure_ascii=False))
    assert json.loads(shown) == [text]
    assert not any(unicodedata.category(char) == "Cc" for char in shown)


def test_a_terminal_is_shown_what_it_would_obey() -> None:
    assert for_terminal("a\x1b[2J\tb\nc\x9b1A\r") == "a\\u001b[2J\tb\nc\\u009b1A\\u000d"


@pytest.mark.parametrize("text", REFUSED)
def test_refused_text_says_what_to_do(text: str) -> None:
    with pytest.raises(UncleanText, match="remove it"):
        clean(text)
