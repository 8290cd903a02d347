from __future__ import annotations

import time

import pytest

from app.tools.occasion import Occasion
from app.tools.registry import BUILT_IN, Considered, choose
from app.tools.tool import Tool, tool

PLAIN = ("calculator", "clock", "search_threads", "fetch_url", "wait", "ask_user")


@tool(name="files__read")
def read() -> str:
    """Read."""
    return ""


@tool(name="files__write")
def write() -> str:
    """Write."""
    return ""


WITH_SERVER: dict[str, Tool] = {**BUILT_IN, read.name: read, write.name: write}


def offered(content: str, **occasion: bool) -> set[str]:
    return set(choose(BUILT_IN, None, Occasion(content, **occasion)).offered)


def reasons(allowed: list[str] | None, occasion: Occasion, **missing: str) -> dict[str, Considered]:
    return {each.name: each for each in choose(WITH_SERVER, allowed, occasion, missing).considered}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("Hello there!", set()),
        ("What is 17 * 23?", {"calculator"}),
        ("Compute the average of my grades", {"calculator"}),
        ("What day is it?", {"clock"}),
        ("Is the shop in Tokyo open now?", {"clock"}),
        ("Summarise https://example.org/a", {"fetch_url"}),
        ("Have a look at www.example.org", {"fetch_url"}),
        ("Wait until the build is done", {"wait"}),
        ("Try again in 5 minutes", {"wait", "calculator", "clock"}),
        ("Remind me later", {"wait"}),
        ("What did we discuss, earlier?", {"search_threads"}),
        ("You said it would rain", {"search_threads"}),
        ("Ask me before you choose a colour", {"ask_user", "search_threads"}),
        ("Please clarify", {"ask_user"}),
    ],
)
def test_each_tool_is_offered_when_the_message_shows_its_sign(content: str, names: set[str]) -> None:
    assert offered(content) == names


def test_earlier_conversations_are_searched_only_where_there_are_some() -> None:
    assert offered("What did we discuss, earlier?", has_history=False) == set()


def test_every_tool_but_those_of_a_goal_has_a_sign_of_its_own() -> None:
    signs = [BUILT_IN[name].worth.sign for name in PLAIN]
    assert len(set(signs)) == len(PLAIN)


def test_a_goal_is_offered_every_tool_of_the_house() -> None:
    assert offered("Hello there!", goal=True) == set(BUILT_IN)


def test_a_tool_that_was_asked_for_by_name_is_offered_whatever_the_message_says() -> None:
    choice = choose(BUILT_IN, ["clock"], Occasion("What is 2 + 2?"))
    assert set(choice.offered) == {"clock"}


def test_no_tool_is_offered_where_none_is_allowed() -> None:
    assert choose(BUILT_IN, [], Occasion("What is 2 + 2?")).offered == {}


def test_a_goal_can_be_planned_and_finished_whatever_is_allowed() -> None:
    assert set(choose(BUILT_IN, ["clock"], Occasion("", goal=True)).offered) == {"clock", "plan", "finish"}


def test_a_plain_reply_cannot_be_given_the_tools_of_a_goal() -> None:
    choice = reasons(["finish"], Occasion(""))
    assert choice["finish"] == Considered("finish", False, "it belongs to replies that work toward a goal")


def test_a_servers_tools_are_offered_only_by_name() -> None:
    assert set(choose(WITH_SERVER, None, Occasion("", goal=True)).offered) == set(BUILT_IN)
    assert set(choose(WITH_SERVER, ["files__read"], Occasion("")).offered) == {"files__read"}
    assert set(choose(WITH_SERVER, ["files__*", "clock"], Occasion("")).offered) == {"files__*"[:-1] + "read"} | {
        "files__write",
        "clock",
    }


def test_a_star_leaves_the_choice_to_the_rules_besides_what_is_named() -> None:
    chosen = choose(WITH_SERVER, ["*", "files__read"], Occasion("What is 17 * 23?"))
    assert set(chosen.offered) == {"calculator", "files__read"}
    assert "*" not in {each.name for each in chosen.considered}


def test_the_choice_says_of_every_tool_why() -> None:
    choice = reasons(None, Occasion("What day is it?"))
    assert set(choice) == set(WITH_SERVER)
    assert choice["clock"] == Considered("clock", True, "the message speaks of time or a date")
    assert choice["wait"] == Considered("wait", False, "not seen: the message speaks of waiting or of later")
    assert choice["files__read"] == Considered("files__read", False, "tools of servers are offered only by name")
    named = reasons(["clock"], Occasion(""))
    assert named["clock"].reason == "it was asked for by name"
    assert named["wait"].reason == "it was not asked for"


def test_names_that_mean_nothing_are_reported() -> None:
    choice = reasons(["clok", "down__*", "clok"], Occasion(""), **{"down__*": "the server does not answer"})
    assert choice["clok"] == Considered("clok", False, "no tool of this name exists")
    assert choice["down__*"] == Considered("down__*", False, "the server does not answer")


@pytest.mark.parametrize("content", ["1 " * 50_000, "in " * 33_000, "a" * 100_000, "after 1" + " " * 100_000])
def test_the_longest_message_is_looked_through_in_no_time(content: str) -> None:
    started = time.process_time()
    offered(content)
    assert time.process_time() - started < 1
