from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from app.chat.objects import MessageObject
from app.models import Status
from app.responses.complaints import Complaint
from app.responses.completions_stream import Chunks
from app.stream.output import Beat, Of
from tests.responses.told import ID, Story, call, failed, reply, written

BEGUN: list[tuple[Any, ...]] = [("begin",)]
DONE: list[tuple[Any, ...]] = [("end", True)]


def chunks(
    steps: list[tuple[Any, ...]], message: MessageObject, *, calls: dict[UUID, Any] | None = None, usage: bool = False
) -> list[dict[str, Any]]:
    """All chunks but heartbeats; `deltas` and `text` say what they come to."""
    story, found = Story(), list[dict[str, Any]]()
    made = Chunks(reply(), lambda: calls or {}, lambda: story.told(message), with_usage=usage)
    for chunk in made.all(story.tell([*BEGUN, *steps])):
        assert chunk is not None
        found.append(chunk)
    return found


def deltas(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in made for choice in chunk["choices"]]


def text(made: list[dict[str, Any]]) -> str:
    return "".join(delta.get("content") or "" for delta in deltas(made))


def reasons(made: list[dict[str, Any]]) -> list[str]:
    return [choice["finish_reason"] for chunk in made for choice in chunk["choices"] if choice["finish_reason"]]


def test_it_begins_with_the_role_and_ends_with_the_reason() -> None:
    made = chunks([*written("Hel", "lo"), *DONE], reply(content="Hello"))
    assert deltas(made) == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert reasons(made) == ["stop"]
    assert {chunk["id"] for chunk in made} == {f"chatcmpl-{ID.hex}"}
    assert {chunk["object"] for chunk in made} == {"chat.completion.chunk"}
    assert all("usage" not in chunk for chunk in made)


def test_usage_comes_last_with_no_choice_and_is_null_before() -> None:
    *before, last = chunks([*written("x"), *DONE], reply(content="x"), usage=True)
    assert all(chunk["usage"] is None for chunk in before)
    assert last["choices"] == []
    assert (last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"], last["usage"]["total_tokens"]) == (
        3,
        4,
        7,
    )


@pytest.mark.parametrize(
    ("finish_reason", "shown"),
    [("stop", "stop"), ("length", "length"), ("budget", "length"), ("tool_limit", "length")],
)
def test_why_it_ends_is_said_in_their_words(finish_reason: str, shown: str) -> None:
    assert reasons(chunks([*written("x"), *DONE], reply(content="x", finish_reason=finish_reason))) == [shown]


def test_what_a_filter_stopped_is_an_answer_with_a_reason_of_its_own() -> None:
    message = failed("content_filter").model_copy(update={"finish_reason": "content_filter", "content": "x"})
    assert reasons(chunks([*written("x"), ("end", False)], message)) == ["content_filter"]


def test_calls_come_whole_and_end_it_as_calls() -> None:
    one, two = uuid4(), uuid4()
    rows = {one: call(one, "now", '{"zone":1}'), two: call(two, "then")}
    steps: list[tuple[Any, ...]] = [
        *written("Let me see."),
        ("call", str(one), Of.FUNCTION),
        ("call", str(two), Of.FUNCTION),
        ("step",),
        *DONE,
    ]
    made = chunks(steps, reply(content="Let me see."), calls=rows)
    calls = [part for delta in deltas(made) for part in delta.get("tool_calls", ())]
    assert calls == [
        {"index": 0, "id": "call_now", "type": "function", "function": {"name": "now", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"zone":1}'}},
        {"index": 1, "id": "call_then", "type": "function", "function": {"name": "then", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]
    assert reasons(made) == ["tool_calls"]


def test_reasoning_is_shown_beside_the_text() -> None:
    made = chunks([("write", Of.REASONING, "Hm."), *written("Yes."), *DONE], reply(content="Yes."))
    assert [delta["reasoning_content"] for delta in deltas(made) if "reasoning_content" in delta] == ["Hm."]
    assert text(made) == "Yes."


def test_an_attempt_that_writes_the_same_goes_on_behind_what_was_sent() -> None:
    steps = [*written("one", " tw"), ("drop",), *written("one", " two", " three")]
    made = chunks([*steps, *DONE], reply(content="one two three"))
    assert text(made) == "one two three"


def test_an_attempt_that_writes_otherwise_ends_it_with_an_error() -> None:
    with pytest.raises(Complaint) as raised:
        chunks([*written("one two"), ("drop",), *written("uno"), *DONE], reply(content="uno"))
    assert raised.value.code == "begun_anew"


def test_who_comes_later_gets_nothing_of_what_was_taken_back() -> None:
    story, message = Story(), reply(content="uno")
    beats = list(story.tell([*BEGUN, *written("one two"), ("drop",), *written("uno"), *DONE]))
    made = Chunks(reply(), dict, lambda: story.told(message), with_usage=False)
    assert text([chunk for chunk in made.all(beats) if chunk is not None]) == "uno"


def test_other_reasoning_is_no_error_and_is_shown_no_further() -> None:
    steps = [("write", Of.REASONING, "Hm"), ("drop",), ("write", Of.REASONING, "Oh no"), *written("x")]
    made = chunks([*steps, *DONE], reply(content="x"))
    assert [delta["reasoning_content"] for delta in deltas(made) if "reasoning_content" in delta] == ["Hm"]
    assert text(made) == "x"


def test_what_the_row_has_beyond_the_events_is_sent_at_the_end() -> None:
    assert text(chunks([*written("one"), *DONE], reply(content="one two"))) == "one two"


def test_an_end_that_contradicts_what_was_sent_is_an_error() -> None:
    with pytest.raises(Complaint) as raised:
        chunks([*written("one two"), ("drop",), *DONE], reply(content=""))
    assert raised.value.code == "begun_anew"


@pytest.mark.parametrize(
    ("message", "code", "status"),
    [
        (failed("provider_unavailable"), "provider_unavailable", 500),
        (failed("provider_busy"), "provider_busy", 429),
        (failed("provider_refused"), "provider_refused", 400),
        (reply(status=Status.CANCELLED, finish_reason="cancelled"), "cancelled", 409),
    ],
)
def test_a_reply_that_is_no_answer_ends_with_what_went_wrong(message: MessageObject, code: str, status: int) -> None:
    with pytest.raises(Complaint) as raised:
        chunks([*written("x"), ("end", False)], message)
    assert (raised.value.code, raised.value.status, raised.value.final) == (code, status, True)


def test_a_stream_that_ends_before_the_reply_says_so() -> None:
    with pytest.raises(Complaint) as raised:
        chunks(written("x"), reply())
    assert raised.value.code == "interrupted"
    assert f"/v1/responses/resp_{ID.hex}" in str(raised.value)


def test_heartbeats_go_through() -> None:
    made = Chunks(reply(), dict, lambda: pytest.fail("it has not ended"), with_usage=False)
    beats: list[Beat | None] = [None]
    found = made.all(beats)
    assert [next(found), next(found)][1] is None
