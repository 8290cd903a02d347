"""What both dialects make of a reply that goes well, and of what may be odd about it."""

from __future__ import annotations

import pytest

from app.llm.types import ReasoningDelta, ToolCall, Usage
from tests.llm.conftest import DIALECTS, PROMPT, Ask, finished, text, words
from tests.provider import FakeProvider

pytestmark = pytest.mark.parametrize("dialect", DIALECTS)


def test_a_reply_arrives_word_by_word_and_ends_with_its_usage(dialect: str, ask: Ask) -> None:
    chunks = ask(f"{dialect}/fake-t50")
    assert len(chunks) == 51
    assert text(chunks) == words(50)
    prompt = len(PROMPT.split())
    assert finished(chunks).reason == "stop"
    assert finished(chunks).usage == Usage(prompt, 50, cached_tokens=prompt // 2)


def test_the_provider_s_request_id_is_kept(dialect: str, ask: Ask) -> None:
    assert str(finished(ask(f"{dialect}/fake")).request_id).startswith("req_")


def test_reasoning_is_shown_apart_from_the_text_and_counted(dialect: str, ask: Ask) -> None:
    chunks = ask(f"{dialect}/fake-t5-reason")
    assert [chunk.text for chunk in chunks if isinstance(chunk, ReasoningDelta)] == ["Let ", "me ", "think."]
    assert text(chunks) == words(5)
    usage = finished(chunks).usage
    assert usage is not None
    assert (usage.completion_tokens, usage.reasoning_tokens) == (8, 3)


def test_a_tool_call_comes_whole_with_the_end(dialect: str, ask: Ask) -> None:
    end = finished(ask(f"{dialect}/fake-t3-tool"))
    assert end.reason == "tool_calls"
    assert end.tool_calls == (ToolCall("call_now_1", "now", '{"zone": "UTC"}'),)


@pytest.mark.parametrize(("flag", "reason"), [("length", "length"), ("filter", "content_filter")])
def test_a_reply_cut_short_by_the_provider_says_why(dialect: str, flag: str, reason: str, ask: Ask) -> None:
    assert finished(ask(f"{dialect}/fake-{flag}")).reason == reason


@pytest.mark.parametrize("flag", ["nousage", "absurdusage"])
def test_usage_that_is_missing_or_impossible_is_none(dialect: str, flag: str, ask: Ask) -> None:
    chunks = ask(f"{dialect}/fake-t5-{flag}")
    assert text(chunks) == words(5)
    assert finished(chunks).usage is None


def test_a_reply_in_single_bytes_is_read_all_the_same(dialect: str, ask: Ask) -> None:
    assert text(ask(f"{dialect}/fake-t4-trickle")) == words(4)


def test_nothing_is_retried_behind_our_back(dialect: str, ask: Ask, provider: FakeProvider) -> None:
    model = "fake-t2-500-x1"
    with pytest.raises(Exception, match="failed"):
        ask(f"{dialect}/{model}", f"once {dialect}")
    asked = [line for line in provider.calls.lines("request", model) if line["dialect"] == dialect]
    assert len(asked) == 1
    assert text(ask(f"{dialect}/{model}", f"once {dialect}")) == words(2)


def test_the_connection_is_closed_after_the_reply(dialect: str, ask: Ask, provider: FakeProvider) -> None:
    model = f"fake-t{3 + DIALECTS.index(dialect)}-nousage"
    ask(f"{dialect}/{model}")
    assert len(provider.calls.wait_for("closed", model)) == 1
