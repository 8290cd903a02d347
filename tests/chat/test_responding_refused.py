"""Responses that are refused: by the place, the name or the id of what cannot be; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from pydantic import SecretStr

from app.chat import responding
from app.chat.attaching import attachment
from app.chat.errors import InvalidField, NotFound
from app.chat.items import Given
from tests.chat.asking import (
    PDF,
    PNG,
    WEATHER,
    assistant,
    counts,
    output,
    respond,
    url,
    user,
)
from tests.chat.branches import post
from tests.support import rows
from tests.support.shared_app import MakeApp


@pytest.fixture
def make_abler_app(make_app: MakeApp) -> Callable[[], Flask]:
    """The application with every provider."""
    key = SecretStr("sk-test")
    return partial(make_app, anthropic_api_key=key, deepseek_api_key=key, local_base_url="http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ((), "items"),
        ((Given("system", ""),), "items"),
        ((user("Hi"), assistant("Prefilled")), "items"),
        ((user(" "),), "items.0"),
        ((user("Hi"), user("x" * 100_001)), "items.1"),
        ((user("Hi"), output("nobody", "42")), "items.1"),
        ((user("Hi"), Given("tool", "42")), "items.1"),
        ((user("Hi"), Given("user", "42", call_id="c1")), "items.1"),
        ((user("Hi"), assistant("", c1="f" * 201), user("So?")), "items.1"),
        ((Given("user", "Hi", calls=assistant(c1="f").calls),), "items.0"),
        ((output("c1", "42"), assistant(c1="weather"), user("So?")), "items.0"),
        ((user("Hi"), assistant("", c1="we\x00ather"), user("So?")), "items.1"),
        (tuple(user("Hi") for _ in range(2_001)), "items"),
    ],
)
def test_items_that_cannot_stand_there_are_refused_and_nothing_is_stored(
    user_id: UUID, items: tuple[Given, ...], field: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        respond(user_id, *items)
    assert refused.value.field == field
    assert counts() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"model": "local/smollm2", "functions": [WEATHER]}, "functions"),
        ({"functions": [WEATHER, WEATHER]}, "functions"),
        ({"functions": [WEATHER], "tool_choice": {"name": "time"}}, "tool_choice"),
        ({"model": "anthropic/x", "text_format": {"type": "json_object"}}, "text_format"),
        ({"model": "deepseek/x", "text_format": {"type": "json_schema", "schema": {}}}, "text_format"),
        ({"model": "nobody/x"}, "model"),
    ],
)
def test_what_the_model_cannot_do_is_refused_by_name(
    make_abler_app: Callable[[], Flask], asked: dict[str, Any], field: str
) -> None:
    with make_abler_app().app_context():
        with pytest.raises(InvalidField) as refused:
            respond(rows.a_user(), "Hi", parameters=asked)
        assert refused.value.field == field


@pytest.mark.parametrize(
    ("model", "kind", "content"),
    [("local/smollm2", "image", PNG), ("local/smollm2", "file", PDF), ("deepseek/x", "image", PNG)],
)
def test_what_the_model_cannot_see_is_refused_by_its_place(
    make_abler_app: Callable[[], Flask], model: str, kind: Any, content: bytes
) -> None:
    with make_abler_app().app_context():
        attached = attachment("items.1", kind, url(content))
        with pytest.raises(InvalidField) as refused:
            respond(rows.a_user(), "Hi", user("See", attached), parameters={"model": model})
        assert refused.value.field == "items.1"


def test_what_is_not_there_or_somebody_elses_is_not_found(user_id: UUID) -> None:
    theirs = respond(rows.a_user(), "One")
    mine = post(user_id)
    cases: list[dict[str, Any]] = [
        {"previous_id": theirs.reply.id},
        {"previous_id": mine.message.id},
        {"thread_id": theirs.thread.id},
        {"previous_id": UUID(int=7)},
    ]
    for case in cases:
        with pytest.raises(NotFound):
            respond(user_id, "Two", **case)
    for id_ in (theirs.reply.id, mine.message.id, UUID(int=7)):
        for use in (responding.find, responding.given, responding.remove):
            with pytest.raises(NotFound):
                use(user_id, id_)
