"""What is sent to a provider."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Settings
from app.llm.anthropic_request import THINKS_SILENTLY, body
from app.llm.endpoint import Endpoint
from app.llm.openai_compatible import OpenAICompatible
from app.llm.providers import resolve
from app.llm.types import JsonFormat, ModelRequest, Named, Part, ToolCall, ToolSpec, Turn
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


SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}}
IMAGE, PAPER = Part("image/png", b"PNG", "cat.png"), Part("application/pdf", b"%PDF-", "paper.pdf")


@pytest.mark.parametrize(
    ("wanted", "openai", "anthropic"),
    [
        ({"top_p": 0.5}, {"top_p": 0.5}, {}),
        ({"stop": ("END", "STOP")}, {"stop": ["END", "STOP"]}, {"stop_sequences": ["END", "STOP"]}),
        ({"json_format": JsonFormat()}, {"response_format": {"type": "json_object"}}, {}),
        (
            {"json_format": JsonFormat(SCHEMA, "place", strict=True)},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "place", "schema": SCHEMA, "strict": True},
                }
            },
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        ),
        ({"tool_choice": "required", "parallel_tool_calls": False}, {}, {}),
    ],
)
def test_each_dialect_says_in_its_own_way_how_the_reply_shall_be(
    ask: Ask, provider: FakeProvider, wanted: dict[str, Any], openai: dict[str, Any], anthropic: dict[str, Any]
) -> None:
    usual = {"openai": {"stream", "stream_options"}, "anthropic": {"stream", "max_tokens"}}
    for dialect, said in (("openai", openai), ("anthropic", anthropic)):
        ask(f"{dialect}/fake-t16", **wanted)
        parameters = sent(provider, "fake-t16")["parameters"]
        assert {name: value for name, value in parameters.items() if name not in usual[dialect]} == said


@pytest.mark.parametrize(
    ("wanted", "openai", "anthropic"),
    [
        ({}, {}, {}),
        ({"tool_choice": "auto"}, {"tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}),
        ({"tool_choice": "none"}, {"tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
        ({"tool_choice": "required"}, {"tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        (
            {"tool_choice": Named("now")},
            {"tool_choice": {"type": "function", "function": {"name": "now"}}},
            {"tool_choice": {"type": "tool", "name": "now"}},
        ),
        (
            {"parallel_tool_calls": False},
            {"parallel_tool_calls": False},
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        (
            {"tool_choice": "required", "parallel_tool_calls": True},
            {"tool_choice": "required", "parallel_tool_calls": True},
            {"tool_choice": {"type": "any", "disable_parallel_tool_use": False}},
        ),
    ],
)
def test_each_dialect_says_in_its_own_way_how_tools_shall_be_called(
    ask: Ask, provider: FakeProvider, wanted: dict[str, Any], openai: dict[str, Any], anthropic: dict[str, Any]
) -> None:
    for dialect, said in (("openai", openai), ("anthropic", anthropic)):
        ask(f"{dialect}/fake-t17", tools=(TOOL,), **wanted)
        parameters = sent(provider, "fake-t17")["parameters"]
        chosen = {name: parameters[name] for name in ("tool_choice", "parallel_tool_calls") if name in parameters}
        assert chosen == said


def test_a_strict_tool_is_sent_as_one(ask: Ask, provider: FakeProvider) -> None:
    strict = ToolSpec("now", "The time.", SCHEMA, strict=True)
    ask("openai/fake-t18", tools=(strict,))
    [tool] = sent(provider, "fake-t18")["parameters"]["tools"]
    assert tool["function"] == {"name": "now", "description": "The time.", "parameters": SCHEMA, "strict": True}
    ask("anthropic/fake-t18", tools=(strict,))
    [tool] = sent(provider, "fake-t18")["parameters"]["tools"]
    assert tool == {"name": "now", "description": "The time.", "input_schema": SCHEMA, "strict": True}


def test_images_and_files_are_sent_as_each_dialect_takes_them(ask: Ask, provider: FakeProvider) -> None:
    turns = (Turn("user", "See.", parts=(IMAGE, PAPER)), Turn("assistant", "I do."), Turn("user", "", parts=(IMAGE,)))
    ask("openai/fake-t19", turns)
    url = "data:image/png;base64,UE5H"
    assert sent(provider, "fake-t19")["attached"] == [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "file", "file": {"filename": "paper.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    assert sent(provider, "fake-t19")["messages"][0] == {"role": "user", "content": "See."}
    ask("anthropic/fake-t19", turns)
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "UE5H"}}
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert sent(provider, "fake-t19")["attached"] == [
        image,
        {"type": "document", "source": source, "title": "paper.pdf"},
        image,
    ]


def test_anthropic_is_told_of_tools_that_the_history_has_called(ask: Ask, provider: FakeProvider) -> None:
    ask("anthropic/fake-t20", (Turn("user", "Time?"), CALLED, *RESULTS, Turn("user", "Thanks.")))
    parameters = sent(provider, "fake-t20")["parameters"]
    assert [tool["name"] for tool in parameters["tools"]] == ["now"]
    assert parameters["tool_choice"] == {"type": "none"}


def test_claude_cannot_think_before_a_call_that_it_must_make() -> None:
    def thinking(**wanted: Any) -> Any:
        return body(ModelRequest("claude-sonnet-5-5", (Turn("user", "hi"),), **wanted), 100)["thinking"]

    assert thinking(tools=(TOOL,), tool_choice="required") == {"type": "disabled"}
    for free in ({}, {"tool_choice": "required"}, {"tools": (TOOL,)}, {"tools": (TOOL,), "tool_choice": "none"}):
        assert thinking(**free)["type"] == "adaptive"


def test_anthropic_always_hears_somebody(ask: Ask, provider: FakeProvider) -> None:
    ask("anthropic/fake-t21", (Turn("system", "Greet."),))
    assert [message["role"] for message in sent(provider, "fake-t21")["messages"]] == ["system", "user"]
