"""The AI SDK's own chat and transport, in node, against a running server."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest

from tests.proxy import Proxy
from tests.responses.served import Caller, caller, calling
from tests.responses.told import PIXEL
from tests.responses.ui_client import Page, page, said, sdk, siblings
from tests.support.stack import Stack, until

__all__ = ["caller", "sdk"]  # fixtures

SLOW = "!delay 0.02\n!words 100"
WORDS = " ".join(f"w{number}" for number in range(1, 101))

Open = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def opened(sdk: None, caller: Caller) -> Open:
    """`with opened(id="chat") as page:`, for the caller."""
    return partial(page, url=caller.url, key=caller.key)


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", stack.port) as proxy:
        yield proxy


def thread_of(ended: dict[str, Any]) -> str:
    """The thread that the newest reply of a page says it stands in."""
    return str(ended["messages"][-1]["metadata"]["thread_id"])


def test_a_chat_is_a_thread_that_goes_on_with_each_message(opened: Open, caller: Caller) -> None:
    with opened(id="a chat") as chat:
        chat.ask("send", text="Hello there")
        ended = chat.ask("send", text="And again")
    assert (ended["status"], ended["error"]) == ("ready", None)
    texts = [["user", "Hello there"], ["assistant", "Hello there"], ["user", "And again"], ["assistant", "And again"]]
    assert ended["said"] == texts
    assert [list(pair) for pair in caller.texts(thread_of(ended))] == texts
    assert [thread["id"] for thread in caller.api.get("/api/threads").json()["data"]] == [thread_of(ended)]
    reply = caller.message(ended["messages"][-1]["id"])
    assert reply["content"] == "And again"
    assert ended["messages"][-1]["metadata"]["total_tokens"] == reply["total_tokens"]


def test_chats_of_the_same_name_are_each_users_own(opened: Open, caller: Caller, stack: Stack) -> None:
    with calling(stack) as ben, opened(id="chat") as one, page(url=ben.url, key=ben.key, id="chat") as other:
        mine, theirs = one.ask("send", text="Mine"), other.ask("send", text="Theirs")
        assert thread_of(mine) != thread_of(theirs)
        assert ben.texts(thread_of(theirs)) == [("user", "Theirs"), ("assistant", "Theirs")]


def test_a_thread_goes_on_under_its_own_id(opened: Open, caller: Caller) -> None:
    sent = caller.api.post("/api/messages", json={"content": "First"}).json()
    caller.ended(sent["reply"]["id"])
    history = [said("First", sent["message"]["id"]), said("First", sent["reply"]["id"]) | {"role": "assistant"}]
    with opened(id=sent["thread"]["id"], messages=history) as chat:
        ended = chat.ask("send", text="Second")
    assert thread_of(ended) == sent["thread"]["id"]
    assert [content for _, content in caller.texts(thread_of(ended))] == ["First", "First", "Second", "Second"]


def test_a_history_that_is_new_to_the_server_comes_along(opened: Open, caller: Caller) -> None:
    history = [said("One"), said("Two", "m2") | {"role": "assistant"}]
    with opened(id="imported", messages=history) as chat:
        ended = chat.ask("send", text="Three")
    assert [content for _, content in caller.texts(thread_of(ended))] == ["One", "Two", "Three", "Three"]


def test_a_cut_stream_is_resumed_and_nothing_comes_twice(sdk: None, stack: Stack, proxy: Proxy) -> None:
    address = f"http://127.0.0.1:{proxy.port}"
    with calling(stack) as ben, page(url=address, key=ben.key, id="chat") as chat:
        chat.begin("send", text=SLOW)
        chat.see("text-delta", 5)
        proxy.cut()
        assert chat.end()["status"] == "error"
        ended = chat.ask("resume")
        assert (ended["status"], ended["said"][-1]) == ("ready", ["assistant", WORDS])
        assert len(ended["said"]) == 2
        assert chat.ask("resume")["status"] == "ready"
        assert chat.parts == [None], "nothing runs any more: 204"


def test_a_page_that_is_loaded_anew_comes_into_a_running_reply(opened: Open) -> None:
    with opened(id="chat") as chat, opened(id="chat", messages=[said(SLOW)]) as reloaded:
        chat.begin("send", text=SLOW)
        chat.see("text-delta", 5)
        assert reloaded.ask("resume")["said"][-1] == ["assistant", WORDS]
        assert chat.end()["said"][-1] == ["assistant", WORDS]


def test_a_new_chat_has_nothing_to_resume(opened: Open) -> None:
    with opened(id="new") as chat:
        ended = chat.ask("resume")
        assert (ended["status"], ended["error"], chat.parts) == ("ready", None, [None])


def test_any_name_will_do_for_a_chat(opened: Open) -> None:
    name = "einkäufe/heute? #1 50%"
    with opened(id=name) as chat, opened(id=name, messages=[said(SLOW)]) as reloaded:
        chat.begin("send", text=SLOW)
        chat.see("text-delta")
        assert reloaded.ask("resume")["said"][-1] == ["assistant", WORDS]
        assert chat.end()["said"][-1] == ["assistant", WORDS]


def test_to_stop_listening_is_not_to_cancel(opened: Open, caller: Caller) -> None:
    with opened(id="chat") as chat:
        chat.begin("send", text=SLOW)
        chat.see("text-delta", 3)
        chat.begin("stop")
        ended = chat.end()
        assert caller.ended(ended["messages"][-1]["id"])["content"] == WORDS


def test_a_killed_worker_shows_each_word_once(opened: Open, caller: Caller, stack: Stack) -> None:
    with opened(id="chat") as chat:
        chat.begin("send", text=SLOW)
        chat.see("text-delta", 10)
        stack.kill("worker")
        stack.start_worker()
        ended = chat.end()
        assert "reset-step" in [part["type"] for part in chat.parts if part]
    assert ended["said"][-1] == ["assistant", WORDS]
    assert caller.message(ended["messages"][-1]["id"])["attempt"] == 2


def test_a_restarted_server_is_come_back_to(opened: Open, stack: Stack) -> None:
    with opened(id="chat") as chat:
        chat.begin("send", text=SLOW)
        chat.see("text-delta", 10)
        stack.kill("web", signal.SIGTERM)
        stack.start_web()
        assert chat.end()["status"] == "error"
        chat.ask("resume")
        with opened(id="chat", messages=[]) as reloaded:
            assert reloaded.ask("resume")["status"] == "ready"


def test_reasoning_and_our_tools_are_parts_of_the_message(opened: Open) -> None:
    script = '!reason Hm.\nLet me see.\n!tool calculator {"expression": "6*7"}\n!step\n!results'
    with opened(id="chat", body={"tools": ["calculator"]}) as chat:
        ended = chat.ask("send", text=script)
    parts = ended["messages"][-1]["parts"]
    assert [part["type"] for part in parts] == [
        "step-start",
        "reasoning",
        "text",
        "dynamic-tool",
        "step-start",
        "text",
    ]
    tool = parts[3]
    assert (tool["toolName"], tool["state"], tool["input"]) == ("calculator", "output-available", {"expression": "6*7"})
    assert str(tool["output"]) in parts[-1]["text"]


def test_a_question_reaches_the_page_at_once_and_its_answer_goes_on(opened: Open, caller: Caller) -> None:
    script = '!tool ask_user {"question": "Which colour?"}\n!step\n!results'
    with opened(id="chat", body={"tools": ["ask_user"]}) as chat:
        chat.begin("send", text=script)
        chat.see("data-pause")
        pause, start = chat.parts[-1], chat.parts[0]
        assert pause is not None
        assert start is not None
        action = pause["data"]["required_action"]
        assert (pause["data"]["status"], action["prompt"]) == ("requires_action", "Which colour?")
        answer = {"action_id": action["id"], "content": "Blue"}
        assert caller.api.post(f"/api/messages/{start['messageId']}/input", json=answer).status_code < 300
        ended = chat.end()
    assert ended["status"] == "ready"
    assert "Blue" in ended["said"][-1][1]
    assert [part["type"] for part in ended["messages"][-1]["parts"]].count("data-pause") == 0


def test_a_regenerated_reply_stands_beside_the_old_one(opened: Open, caller: Caller) -> None:
    with opened(id="chat") as chat:
        chat.ask("send", text="One")
        first = chat.ask("send", text="Two")
        again = chat.ask("regenerate")
        assert again["said"] == first["said"]
        assert again["messages"][-1]["id"] != first["messages"][-1]["id"]
        named = chat.ask("regenerate", messageId=again["messages"][-1]["id"])
        assert named["said"] == first["said"]
    assert siblings(caller, thread_of(named)).count(("assistant", "Two")) == 3
    assert siblings(caller, thread_of(named)).count(("user", "Two")) == 1


@pytest.mark.parametrize("place", [0, 2])
def test_an_edited_message_begins_a_branch(opened: Open, caller: Caller, place: int) -> None:
    with opened(id="chat") as chat:
        chat.ask("send", text="One")
        before = chat.ask("send", text="Two")
        ended = chat.ask("send", text="Other", messageId=before["messages"][place]["id"])
    texts = [*before["said"][:place], ["user", "Other"], ["assistant", "Other"]]
    assert ended["said"] == texts
    assert [list(pair) for pair in caller.texts(thread_of(ended))] == texts
    assert ("user", "Two") in siblings(caller, thread_of(ended))


def test_an_image_is_shown_to_the_model(opened: Open) -> None:
    image = {"type": "file", "mediaType": "image/png", "filename": "dot.png", "url": PIXEL}
    with opened(id="chat") as chat:
        ended = chat.ask("send", text="!attached", files=[image])
    assert ended["said"][-1][1].startswith("image/png ")


def test_a_failure_is_an_error_of_the_chat(opened: Open) -> None:
    with opened(id="chat") as chat:
        ended = chat.ask("send", text="one two\n!error 400")
        assert ended["status"] == "error"
        assert ended["error"]
        assert chat.ask("send", text="Hello")["said"][-1] == ["assistant", "Hello"]


def test_a_cancelled_reply_keeps_what_was_written(opened: Open, caller: Caller) -> None:
    with opened(id="chat") as chat:
        chat.begin("send", text=SLOW)
        chat.see("text-delta", 5)
        reply = chat.parts[0]
        assert reply is not None
        caller.api.post(f"/api/messages/{reply['messageId']}/cancel", json={})
        ended = chat.end()
        assert "abort" in [part["type"] for part in chat.parts if part]
    kept = caller.message(reply["messageId"])
    assert (kept["status"], kept["content"]) == ("cancelled", ended["said"][-1][1])


def test_two_tabs_that_open_a_chat_at_once_open_one(opened: Open, caller: Caller) -> None:
    with opened(id="chat") as one, opened(id="chat") as other:
        one.begin("send", text="One")
        other.begin("send", text="Two")
        assert thread_of(one.end()) == thread_of(other.end())
    until(lambda: len(caller.api.get("/api/threads").json()["data"]) == 1)
