"""Shapes that only some OpenAI-compatible servers send, byte for byte over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from app.llm import errors
from app.llm.endpoint import Endpoint
from app.llm.openai_compatible import OpenAICompatible
from app.llm.types import Finished, ModelRequest, ReasoningDelta, TextDelta, ToolCall, Turn, Usage
from tests.llm.conftest import Chunk, whole
from tests.support.serving import Quiet, serving

Answers = Callable[..., list[Chunk]]


@pytest.fixture
def answers() -> Iterator[Answers]:
    """`answers(event, …)`: what becomes of a stream of exactly these events."""

    class Canned(Quiet):
        events: tuple[Any, ...] = ()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream; charset=utf-8")
            self.end_headers()
            for event in self.events:
                data = event if isinstance(event, str) else json.dumps(event)
                self.wfile.write(f"data: {data}\r\n\r\n".encode())

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Canned)) as server:
        source = OpenAICompatible(Endpoint("openai", "Compatible", f"http://127.0.0.1:{server.server_port}"))

        def answered(*events: Any) -> list[Chunk]:
            Canned.events = events
            return whole(source, ModelRequest("m", (Turn("user", "hi"),)))

        yield answered


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def test_usage_may_come_with_the_last_words_and_done_may_be_missing(answers: Answers) -> None:
    last = delta("stop", content="Hi") | {"usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}
    assert answers(last) == [TextDelta("Hi"), Finished("stop", Usage(3, 1))]


def test_reasoning_has_two_names(answers: Answers) -> None:
    chunks = answers(delta(reasoning="Hm."), delta(reasoning_content="So."), delta("stop"))
    assert chunks[:-1] == [ReasoningDelta("Hm."), ReasoningDelta("So.")]


def test_a_refusal_is_what_the_model_says(answers: Answers) -> None:
    assert answers(delta(content=None, refusal="No."), delta("stop"))[0] == TextDelta("No.")


def test_tool_calls_may_come_whole_without_index_id_or_text_form(answers: Answers) -> None:
    one = {"function": {"name": "now", "arguments": {"zone": "UTC"}}}
    two = {"id": "c2", "function": {"name": "now", "arguments": ""}}
    end = answers(delta(tool_calls=[one, two]), delta("stop"))[-1]
    assert isinstance(end, Finished)
    assert end.reason == "tool_calls"
    assert [(call.name, call.arguments) for call in end.tool_calls] == [("now", '{"zone": "UTC"}'), ("now", "{}")]
    assert end.tool_calls[0].id.startswith("call_")
    assert end.tool_calls[1] == ToolCall("c2", "now", "{}")


def test_a_tool_call_cut_off_by_the_limit_is_dropped_with_the_reply_kept(answers: Answers) -> None:
    piece = {"index": 0, "id": "c1", "function": {"name": "now", "arguments": '{"zo'}}
    assert answers(delta(content="Well"), delta(tool_calls=[piece]), delta("length"))[-1] == Finished("length")


def test_an_announced_tool_call_that_never_comes_is_a_cut(answers: Answers) -> None:
    with pytest.raises(errors.StreamCut, match="announced a tool call"):
        answers(delta("tool_calls"))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "slow down", "code": 429}}, errors.ProviderBusy),
        ({"error": {"message": "bad gateway", "code": 502}}, errors.ProviderDown),
        ({"error": {"message": "You exceeded your quota", "type": "insufficient_quota"}}, errors.ProviderUnauthorized),
        ({"error": {"message": "no", "code": "content_filter"}}, errors.ContentFiltered),
        ({"error": {"message": "bad", "type": "invalid_request_error"}}, errors.ProviderRefused),
        ({"error": "Internal error"}, errors.ProviderDown),
    ],
)
def test_errors_inside_a_stream_come_in_many_forms(body: object, kind: type[Exception], answers: Answers) -> None:
    with pytest.raises(kind):
        answers(delta(content="Hi"), body)


@pytest.mark.parametrize(
    ("finish", "kind"), [("insufficient_system_resource", errors.ProviderBusy), ("error", errors.ProviderDown)]
)
def test_some_finish_reasons_are_failures(finish: str, kind: type[Exception], answers: Answers) -> None:
    with pytest.raises(kind):
        answers(delta(content="Hi"), delta(finish))


@pytest.mark.parametrize(
    "event", [[], 5, "null", {}, {"choices": []}, {"choices": [5]}, {"choices": [{"delta": None}]}]
)
def test_events_that_say_nothing_are_passed_over(event: object, answers: Answers) -> None:
    assert answers(event, delta(content="Hi"), delta("stop"))[:-1] == [TextDelta("Hi")]


@pytest.mark.parametrize(
    "pieces", [5, [None], [{"function": None}], [{"index": "x", "id": 7, "function": {"name": 3, "arguments": 4}}]]
)
def test_tool_calls_of_a_wrong_shape_never_pass_as_calls(pieces: object, answers: Answers) -> None:
    with pytest.raises(errors.StreamCut):
        answers(delta(tool_calls=pieces), delta("tool_calls"))


def test_a_stream_that_breaks_after_its_finish_reason_is_complete(answers: Answers) -> None:
    assert answers(delta(content="Hi"), delta("stop"), '{"usage": {"prompt') == [TextDelta("Hi"), Finished("stop")]


def test_letters_of_many_bytes_survive(answers: Answers) -> None:
    assert answers(delta(content="Grüße, 世界 🌍\n"), delta("stop"))[0] == TextDelta("Grüße, 世界 🌍\n")
