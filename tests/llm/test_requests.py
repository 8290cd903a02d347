"""What is sent to a provider."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Settings
from app.llm.anthropic import THINKS_SILENTLY
from app.llm.endpoint import Endpoint
from app.llm.openai_compatible import OpenAICompatible
from app.llm.providers import resolve
from app.llm.types import ModelRequest, ToolCall, ToolSpec, Turn
from tests.llm.conftest import DIALECTS, Ask
from tests.provider import FakeProvider

TOOL = ToolSpec("now", "The time.", {"type": "object", "properties": {"zone": {"type": "string"}}})
CALLED = Turn("assistant", "", (ToolCall("call_1", "now", '{"zone": "UTC"}'), ToolCall("call_2", "now", "{}")))
RESULTS = (Turn("tool", "12:00", tool_call_id="call_1"), Turn("tool", "13:00", tool_call_id="call_2"))


def sent(provider: FakeProvider, model: str) -> dict[str, Any]:
    return provider.calls.lines("request", model)[-1]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_instructions_history_and_parameters_are_sent(dialect: str, ask: Ask, provider: FakeProvider) -> None:
    history = (Turn("user", "one"), Turn("assistant", "two"), Turn("user", "three"))
    ask(f"{dialect}/fake-t1", history, system="Be brief.", temperature=0.5, max_output_tokens=77, tools=(TOOL,))
    request = sent(provider, "fake-t1")
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    assert request["parameters"]["max_tokens"] == 77
    assert len(request["parameters"]["tools"]) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tool_calls_and_their_results_are_sent_back(dialect: str, ask: Ask, provider: FakeProvider) -> None:
    ask(f"{dialect}/fake-t2", (Turn("user", "Time?"), CALLED, *RESULTS))
    said = [message["content"] for message in sent(provider, "fake-t2")["messages"]]
    assert "12:00" in " ".join(said)
    assert "13:00" in " ".join(said)


def test_parameters_that_nobody_set_are_left_to_the_provider(ask: Ask, provider: FakeProvider) -> None:
    ask("openai/fake-t6")
    assert sent(provider, "fake-t6")["parameters"] == {"stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://api.deepseek.com", "max_tokens"),
        ("https://notopenai.com/v1", "max_tokens"),
        ("http://127.0.0.1:11434/v1", "max_tokens"),
    ],
)
def test_the_limit_has_the_name_that_the_server_understands(url: str, name: str) -> None:
    body = OpenAICompatible(Endpoint("openai", "OpenAI", url))._body(ModelRequest("m", (), max_output_tokens=5))
    assert body[name] == 5
    assert len({"max_tokens", "max_completion_tokens"} & body.keys()) == 1


def test_anthropic_is_always_told_a_limit(settings: Settings, ask: Ask, provider: FakeProvider) -> None:
    ask("anthropic/fake-t7")
    assert sent(provider, "fake-t7")["parameters"]["max_tokens"] == settings.max_output_tokens


def test_anthropic_gets_neighbours_of_one_role_as_one_message(ask: Ask, provider: FakeProvider) -> None:
    turns = (Turn("user", "one"), Turn("user", "two"), Turn("assistant", " "), Turn("user", "three"), CALLED, *RESULTS)
    ask("anthropic/fake-t8", turns)
    assert [message["role"] for message in sent(provider, "fake-t8")["messages"]] == ["user", "assistant", "user"]
    assert sent(provider, "fake-t8")["messages"][0]["content"] == "one two three"


def test_anthropic_gets_system_turns_among_the_instructions(ask: Ask, provider: FakeProvider) -> None:
    ask("anthropic/fake-t9", (Turn("system", "Later rule."), Turn("user", "hi")), system="First rule.")
    assert sent(provider, "fake-t9")["messages"] == [
        {"role": "system", "content": "First rule.\n\nLater rule."},
        {"role": "user", "content": "hi"},
    ]


def test_anthropic_hears_the_user_first(ask: Ask, provider: FakeProvider) -> None:
    ask("anthropic/fake-t11", (Turn("assistant", "As I said."), Turn("user", "What?")))
    assert [message["role"] for message in sent(provider, "fake-t11")["messages"]] == ["user", "assistant", "user"]


def test_a_temperature_is_sent_to_all_but_anthropic_which_refuses_any(ask: Ask, provider: FakeProvider) -> None:
    ask("openai/fake-t12", temperature=0.5)
    assert sent(provider, "fake-t12")["parameters"]["temperature"] == 0.5
    ask("anthropic/fake-t12", temperature=0.5)
    assert "temperature" not in sent(provider, "fake-t12")["parameters"]


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        ("claude-sonnet-5-5", True),
        ("claude-opus-5", True),
        ("claude-fable-12-1", True),
        ("claude-haiku-4-5", False),
        ("claude-sonnet-4-20250514", False),
        ("claude-3-5-sonnet-latest", False),
    ],
)
def test_claude_is_asked_to_show_its_thinking_where_it_would_be_silent(model: str, thinks: bool) -> None:
    assert bool(THINKS_SILENTLY.match(model)) is thinks


def test_the_local_model_gets_its_own_instructions_and_no_tools(ask: Ask, provider: FakeProvider) -> None:
    ask("local/fake-t13", "hi", system="The user is Ada.", tools=(TOOL,))
    request = sent(provider, "fake-t13")
    assert request["messages"][0]["content"] == (
        "You are a helpful assistant. Answer briefly and clearly.\n\nThe user is Ada."
    )
    assert request["parameters"]["temperature"] == 0.2
    assert request["parameters"]["repeat_penalty"] == 1.1
    assert request["parameters"]["max_tokens"] == 512
    assert "tools" not in request["parameters"]


def test_the_user_s_choice_goes_before_the_local_model_s(ask: Ask, provider: FakeProvider) -> None:
    ask("local/fake-t14", "hi", temperature=0.9, max_output_tokens=20)
    assert sent(provider, "fake-t14")["parameters"]["temperature"] == 0.9
    assert sent(provider, "fake-t14")["parameters"]["max_tokens"] == 20


def test_deepseek_speaks_the_openai_dialect(settings: Settings, ask: Ask, provider: FakeProvider) -> None:
    ask("deepseek/fake-t15-reason")
    assert sent(provider, "fake-t15-reason")["dialect"] == "openai"
    assert resolve(settings, "deepseek/x")[0].name == "deepseek"
