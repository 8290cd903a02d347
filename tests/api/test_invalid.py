"""Well-formed requests with wrong values: 422 naming the field, nothing stored, nothing sent to a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import MakeApp, Person, Traces, fields, sign_up

MANY = 10**30
# Field → values of the wrong type or size, wherever the field may stand.
WRONG: dict[str, list[Any]] = {
    "content": [None, 1, True, ["x"], {"a": 1}, "", " ", "\n\t \u3000", "\x01\x02"],
    "thread_id": [1, True, "abc", [], {}, "0" * 31],
    "title": [1, True, [], {}, "", "   ", "x" * 201],
    "model": [1, [], {}, "x" * 201, "nobody/x", "no-slash", "openai/", "/gpt", "\u202e"],
    "instructions": [1, [], {}, "x" * 20_001],
    "temperature": ["0.5", True, [], {}, -0.1, 2.1, MANY, -MANY],
    "max_output_tokens": ["1", True, 1.5, [], {}, 0, -1, 1_000_001, MANY],
    "metadata": [None, 1, "x", [], {"a": "x" * 16_001}, {"x" * 16_001: 1}],
    "busy": [None, 1, "", "wait", "ENQUEUE"],
    "surprise": [None, 1, "x"],
    "attachments": [[]],
    "tools": [1, "clock", {}, ["clock"] * 51],
    "after_seconds": [None, "1", True, [], -0.1, 2_592_000.5, MANY],
}


def test_a_wrong_value_of_a_message_is_named_and_leaves_nothing(ada: Person, traces: Callable[[], Traces]) -> None:
    before = traces()
    found = {
        (name, repr(value)[:40]): fields(ada.post("/api/messages", {"content": "x"} | {name: value}))
        for name, values in WRONG.items()
        for value in values
    }
    assert {key: names for key, names in found.items() if names != {key[0]}} == {}
    assert traces() == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_posting_to_a_thread_refuses_the_same(ada: Person, traces: Callable[[], Traces]) -> None:
    path = f"/api/threads/{ada.post('/api/threads').json['id']}/messages"
    before = traces()
    for name, values in WRONG.items():
        assert fields(ada.post(path, {"content": "x"} | {name: values[-1]})) == {name}
    assert traces() == before


def test_several_wrong_fields_are_all_named(ada: Person) -> None:
    answer = ada.post("/api/messages", {"content": 1, "temperature": 3, "surprise": 1})
    assert fields(answer) == {"content", "temperature", "surprise"}
    assert all(error["message"] for error in answer.json["errors"])


def test_a_refusal_repeats_no_value(ada: Person) -> None:
    secret = "canary-in-a-wrong-place"
    answer = ada.post("/api/messages", {"content": {"a": secret}, "title": [secret], "busy": secret})
    assert fields(answer) == {"content", "title", "busy"}
    assert secret not in answer.text


def test_the_name_of_an_unknown_member_is_cut(ada: Person) -> None:
    answer = ada.post("/api/threads", {"x" * 100_000: 1})
    assert fields(answer) == {"x" * 200}
    assert len(answer.data) < 2_000


def test_content_may_be_as_long_as_the_limit_and_no_longer(make_app: MakeApp) -> None:
    ada = sign_up(make_app(max_content_chars=10), "ada@example.com")
    assert ada.say("😀" * 10)["message"]["content"] == "😀" * 10
    answer = ada.post("/api/messages", {"content": "😀" * 11})
    assert fields(answer) == {"content"}
    assert answer.json["errors"][0]["message"] == "must be at most 10 characters, has 11"


def test_a_model_that_cannot_be_used_says_which_variable_to_set(ada: Person, traces: Callable[[], Traces]) -> None:
    before = traces()
    variables = {
        "openai/gpt-x": "OPENAI_API_KEY",
        "anthropic/claude-x": "ANTHROPIC_API_KEY",
        "deepseek/deepseek-chat": "DEEPSEEK_API_KEY",
        "local/smollm2": "LOCAL_BASE_URL",
    }
    for model, variable in variables.items():
        answer = ada.post("/api/messages", {"content": "x", "model": model})
        assert fields(answer) == {"model"}
        assert variable in answer.json["detail"]
    assert "openai, anthropic, deepseek, local" in ada.post("/api/messages", {"content": "x", "model": "me/x"}).text
    assert traces() == before


def test_a_model_outside_the_allow_list_is_refused(make_app: MakeApp) -> None:
    ada = sign_up(make_app(models=["scripted/echo"]), "ada@example.com")
    assert ada.say()["reply"]["model_id"] == "scripted/echo"
    assert fields(ada.post("/api/messages", {"content": "x", "model": "scripted/other"})) == {"model"}


def test_wrong_values_of_a_thread_are_named(ada: Person, traces: Callable[[], Traces]) -> None:
    path = f"/api/threads/{ada.post('/api/threads').json['id']}"
    before, shown = traces(), ada.get(path).json
    wrong: dict[str, tuple[Any, str]] = {
        "title": (["x"], "title"),
        "metadata": ("x", "metadata"),
        "settings": ("x", "settings"),
        "surprise": (1, "surprise"),
    }
    settings = {"temperature": "hot", "max_output_tokens": 0, "context_tokens": 1.5, "model": 7, "surprise": 1}
    for name, (value, named) in wrong.items():
        assert fields(ada.post("/api/threads", {name: value})) == {named}
        assert fields(ada.patch(path, {name: value})) == {named}
    assert fields(ada.post("/api/threads", {"settings": settings})) == {f"settings.{name}" for name in settings}
    assert fields(ada.patch(path, {"settings": settings})) == {f"settings.{name}" for name in settings}
    for name, value in (("archived", "yes"), ("archived", 1), ("active_message_id", "x")):
        assert fields(ada.patch(path, {name: value})) == {name}
    assert (traces(), ada.get(path).json) == (before, shown)


def test_wrong_values_of_accounts_and_keys_are_named(ada: Person) -> None:
    def named(method: str, path: str, **sent: Any) -> set[str]:
        return fields(ada.call(method, path, json=sent))

    good = {"email": "new@example.com", "password": "long enough"}
    for email in (None, 1, "", "no-at", "a@b", "a@@example.com", "a b@example.com", f"{'x' * 400}@example.com"):
        assert named("POST", "/api/users", **good | {"email": email}) == {"email"}, email
    for password in (None, 1, "", "short", "x" * 201):
        assert named("POST", "/api/users", **good | {"password": password}) == {"password"}, password
    for name in (None, 1, "", "  ", "x" * 101):
        assert named("POST", "/api/keys", name=name) == {"name"}, name
    assert named("POST", "/api/users") == {"email", "password"}
    assert named("POST", "/api/session", email=1, password=None) == {"email", "password"}
    assert named("PATCH", "/api/me", name=1, image="javascript:alert(1)") == {"name", "image"}
    assert named("PATCH", "/api/me", preferences={"temperature": 9}) == {"preferences.temperature"}
    assert named("PATCH", "/api/me", email="other@example.com") == {"email"}
    assert len(ada.get("/api/keys").json["data"]) == 1


def test_the_longest_text_that_is_allowed_can_be_stored(ada: Person) -> None:
    longest = "😀" * 200
    key = ada.post("/api/keys", {"name": longest[:100]})
    thread = ada.post("/api/threads", {"title": longest, "settings": {"instructions": longest * 100}})
    person = ada.patch("/api/me", {"name": longest, "image": "https://example.com/" + "x" * 1_980})
    assert (key.json["name"], thread.json["title"], person.json["name"]) == (longest[:100], longest, longest)
    assert ada.say(longest, model="scripted/" + "x" * 191)["thread"]["title"] == longest[:79] + "…"
