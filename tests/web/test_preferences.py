"""Settings, and the composer's drawer, which has the same fields for one chat."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.thread_page import ThreadPage, one, parsed
from tests.web.visitor import Visitor

CHOICES = {
    "instructions": "Be brief.",
    "temperature": "0.5",
    "max_output_tokens": "100",
    "context_tokens": "1000",
    "tools_by": "name",
    "tools": "clock",
    "other_tools": "files__* clock",
}
CHOSEN = {
    "instructions": "Be brief.",
    "temperature": 0.5,
    "max_output_tokens": 100,
    "context_tokens": 1000,
    "tools": ["clock", "files__*"],
}
LEFT = {"instructions": "", "temperature": " ", "max_output_tokens": "", "context_tokens": "", "tools_by": ""}


def preferences(visitor: Visitor) -> dict[str, Any]:
    found: dict[str, Any] = visitor.client.get("/api/me").json["preferences"]
    return found


def settings(visitor: Visitor, address: str) -> dict[str, Any]:
    found: dict[str, Any] = visitor.client.get(f"/api/threads/{address.rpartition('/')[2]}").json["settings"]
    return found


def test_preferences_are_kept_and_left_again(visitor: Visitor) -> None:
    saved = visitor.post("/settings/preferences", model="scripted/echo", **CHOICES).location
    assert one(parsed(visitor.get(saved)), "[role=status]").text() == "Saved."
    assert preferences(visitor) == CHOSEN | {"model": "scripted/echo"}
    tree = parsed(visitor.get(saved))
    assert one(tree, "#temperature").attributes["value"] == "0.5"
    assert one(tree, "#other_tools").attributes["value"] == "files__*"
    assert "checked" in one(tree, "[name=tools][value=clock]").attributes
    visitor.post("/settings/preferences", model="", **LEFT)
    assert preferences(visitor) == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "9"),
        ("temperature", "nan"),
        ("temperature", "warm"),
        ("max_output_tokens", "0"),
        ("max_output_tokens", "1.5"),
        ("context_tokens", "1"),
        ("instructions", "x" * 20_001),
        ("instructions", "a\0b"),
        ("other_tools", "no/such<name>"),
        ("other_tools", " ".join(f"t{number}" for number in range(60))),
        ("model", "nobody/knows"),
    ],
)
def test_nonsense_is_named_and_the_rest_is_kept_in_the_form(visitor: Visitor, field: str, value: str) -> None:
    response = visitor.post("/settings/preferences", **CHOICES | {"max_output_tokens": "77", field: value})
    assert response.status_code == 422
    tree = parsed(response)
    assert len(tree.css("[role=alert]")) == 1
    if field == "other_tools":
        assert one(tree, "#other_tools").attributes["value"] == value
    if field != "max_output_tokens":
        assert one(tree, "#max_output_tokens").attributes["value"] == "77"
    assert preferences(visitor) == {}


def test_a_name_is_kept_and_taken_away(visitor: Visitor) -> None:
    visitor.post("/settings/profile", name=" Ada <b> ")
    assert visitor.client.get("/api/me").json["name"] == "Ada <b>"
    assert one(parsed(visitor.get("/settings")), "#name").attributes["value"] == "Ada <b>"
    visitor.post("/settings/profile", name="")
    assert visitor.client.get("/api/me").json["name"] is None
    assert visitor.post("/settings/profile", name="x" * 201).status_code == 422


def test_a_key_is_made_shown_once_and_revoked(visitor: Visitor) -> None:
    made = visitor.post("/settings/keys", key_name="laptop")
    assert made.status_code == 201
    with_key = {"Authorization": f"Bearer {one(parsed(made), '.key').text()}"}
    assert visitor.client.get("/api/me", headers=with_key).status_code == 200
    listed = visitor.get("/settings")
    assert one(parsed(made), ".key").text() not in listed.text
    revoke = one(parsed(listed), "[aria-label='Revoke laptop']").attributes["value"] or ""
    assert visitor.post("/settings/keys/revoke", key_id=revoke).status_code == 303
    assert visitor.client.get("/api/me", headers=with_key).status_code == 401
    assert visitor.post("/settings/keys/revoke", key_id=revoke).status_code == 404
    assert visitor.post("/settings/keys", key_name=" ").status_code == 422


def test_what_is_chosen_in_the_drawer_holds_for_the_chat(visitor: Visitor) -> None:
    address = visitor.post("/chat", content="first", **CHOICES).location
    assert settings(visitor, address) == CHOSEN
    tree = parsed(visitor.get(address))
    assert one(tree, "#instructions").text() == "Be brief."
    visitor.post(address, content="second", **CHOICES | {"temperature": ""})
    assert settings(visitor, address) == {name: value for name, value in CHOSEN.items() if name != "temperature"}
    visitor.post(address, content="third")
    assert settings(visitor, address)["instructions"] == "Be brief."


def test_a_form_with_a_drawer_that_is_sent_twice_makes_one_chat(visitor: Visitor) -> None:
    fields = {"content": "only once", "once": "form-1", **CHOICES}
    first, second = visitor.post("/chat", **fields), visitor.post("/chat", **fields)
    assert first.location == second.location
    assert len(visitor.client.get("/api/threads").json["data"]) == 1


@pytest.mark.parametrize("wrong", [{"temperature": "9"}, {"model": "nobody/knows"}, {"content": " "}])
def test_what_is_wrong_in_the_drawer_opens_it_and_stores_nothing(visitor: Visitor, wrong: dict[str, str]) -> None:
    response = visitor.post("/chat", **{"content": "kept"} | CHOICES | wrong)
    assert response.status_code == 422
    tree = parsed(response)
    assert ("open" in one(tree, "#drawer").attributes) == ("temperature" in wrong)
    assert one(tree, "#instructions").text() == "Be brief."
    assert visitor.client.get("/api/threads").json["data"] == []


def test_the_drawer_says_what_holds_where_it_is_empty(visitor: Visitor) -> None:
    visitor.post("/settings/preferences", **CHOICES)
    page = ThreadPage(visitor)
    field = one(page.tree(), "#temperature").attributes
    assert (field["value"], field["placeholder"]) == ("", "0.5")
