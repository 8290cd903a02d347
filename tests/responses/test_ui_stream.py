from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from app.chat.objects import MessageObject
from app.models import Status
from app.responses.ui_stream import Parts
from app.stream.output import Beat, Of
from tests.responses.told import ID, Story, call, failed, reply, written

BEGUN: list[tuple[Any, ...]] = [("begin",)]
DONE: list[tuple[Any, ...]] = [("end", True)]


def parts(
    steps: list[tuple[Any, ...]], message: MessageObject, calls: dict[UUID, Any] | None = None
) -> list[dict[str, Any]]:
    story = Story()
    made = Parts(reply(), lambda: calls or {}, lambda: message)
    return [part for part in made.all(story.tell([*BEGUN, *steps])) if part is not None]


def replayed(steps: list[tuple[Any, ...]], message: MessageObject) -> list[dict[str, Any]]:
    """The same for somebody who comes when all is over."""
    story = Story()
    beats = list(story.tell([*BEGUN, *steps]))
    return [part for part in Parts(reply(), dict, lambda: message).all(beats) if part is not None]


def types(made: list[dict[str, Any]]) -> list[str]:
    return [part["type"] for part in made]


def shown(made: list[dict[str, Any]]) -> str:
    """The text that a client has in the end, as the AI SDK applies the parts."""
    steps: list[list[str]] = [[]]
    for part in made:
        if part["type"] == "start-step":
            steps.append([])
        elif part["type"] == "reset-step":
            steps[-1] = []
        elif part["type"] == "text-delta":
            steps[-1].append(part["delta"])
    return "".join(piece for step in steps for piece in step)


def test_text_is_one_part_in_one_step_of_one_message() -> None:
    made = parts([*written("Hel", "lo"), *DONE], reply(content="Hello"))
    assert types(made) == [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ]
    assert made[0]["messageId"] == str(ID)
    assert made[-1]["finishReason"] == "stop"
    assert made[-1]["messageMetadata"]["completion_tokens"] == 4
    assert shown(made) == "Hello"


def test_reasoning_is_a_part_of_its_own() -> None:
    made = parts([("write", Of.REASONING, "Hm."), *written("Yes."), *DONE], reply(content="Yes."))
    assert types(made)[2:8] == [
        "reasoning-start",
        "reasoning-delta",
        "reasoning-end",
        "text-start",
        "text-delta",
        "text-end",
    ]


def test_our_calls_are_the_providers_and_end_a_step() -> None:
    good, bad = uuid4(), uuid4()
    rows = {
        good: call(good, "now", '{"zone":1}', result='{"time":"12:00"}'),
        bad: call(bad, "then", status="failed", error="No such time."),
    }
    asked = [("call", str(good), Of.TOOL), ("call", str(bad), Of.TOOL), ("step",)]
    ended = [("result", str(good)), ("result", str(bad))]
    made = parts([*written("Let me see."), *asked, *ended, *written("Noon."), *DONE], reply(content="x"), rows)
    assert types(made)[2:] == [
        "text-start",
        "text-delta",
        "text-end",
        "tool-input-available",
        "tool-input-available",
        "tool-output-available",
        "tool-output-error",
        "finish-step",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ]
    first = next(part for part in made if part["type"] == "tool-input-available")
    assert first["input"] == {"zone": 1}
    assert (first["toolName"], first["dynamic"], first["providerExecuted"]) == ("now", True, True)
    result = next(part for part in made if part["type"] == "tool-output-available")
    assert (result["toolCallId"], result["output"]) == (first["toolCallId"], {"time": "12:00"})
    assert next(part["errorText"] for part in made if part["type"] == "tool-output-error") == "No such time."


def test_a_call_that_the_page_executes_has_the_id_that_comes_back() -> None:
    row_id = uuid4()
    made = parts([("call", str(row_id), Of.FUNCTION), ("step",), *DONE], reply(), {row_id: call(row_id, "ask")})
    asked = next(part for part in made if part["type"] == "tool-input-available")
    assert asked == {"type": "tool-input-available", "toolCallId": "call_ask", "toolName": "ask", "input": {}}


def test_what_is_taken_back_is_reset_and_what_stood_before_stays() -> None:
    row_id = uuid4()
    rows = {row_id: call(row_id, "now", result="12:00")}
    before = [*written("Let me see. "), ("call", str(row_id), Of.TOOL), ("step",), ("result", str(row_id))]
    made = parts([*before, *written("It is"), ("drop",), *written("Noon."), *DONE], reply(), rows)
    assert types(made).count("reset-step") == 1
    assert shown(made) == "Let me see. Noon."


def test_a_replay_leaves_out_what_was_taken_back() -> None:
    made = replayed([*written("uno"), ("drop",), *written("one"), *DONE], reply(content="one"))
    assert "reset-step" not in types(made)
    assert [part["delta"] for part in made if part["type"] == "text-delta"] == ["one"]


def test_text_that_a_limit_or_a_cancel_cut_is_not_reset() -> None:
    cut = parts([*written("one"), ("end", False)], reply(content="one", finish_reason="length"))
    assert shown(cut) == "one"
    assert cut[-1]["finishReason"] == "length"
    cancelled = parts([*written("one"), ("end", False)], reply(status=Status.CANCELLED, finish_reason="cancelled"))
    assert shown(cancelled) == "one"
    assert types(cancelled)[-2:] == ["abort", "finish"]
    assert cancelled[-1]["finishReason"] == "other"


@pytest.mark.parametrize("message", [failed("provider_refused", "No."), failed("deadline_exceeded", "No.")])
def test_a_failure_is_told_in_words(message: MessageObject) -> None:
    made = parts([*written("one"), ("end", False)], message)
    assert [part["errorText"] for part in made if part["type"] == "error"] == ["No."]
    assert made[-1]["finishReason"] == "error"


def test_a_pause_is_told_once_and_not_kept_in_the_message() -> None:
    row_id = uuid4()
    asked = reply(status=Status.REQUIRES_ACTION, required_action={"id": "a", "prompt": "Which?"})
    made = Parts(reply(status=Status.PROCESSING), lambda: {row_id: call(row_id, "ask_user")}, lambda: asked)
    beats: list[Beat | None] = [*Story().tell([*BEGUN, ("call", str(row_id), Of.TOOL), ("step",)]), None, None]
    *_, told, heartbeat = made.all(beats)
    assert told is not None
    assert (told["type"], told["transient"], told["data"]["status"]) == ("data-pause", True, "requires_action")
    assert told["data"]["required_action"]["prompt"] == "Which?"
    assert heartbeat is None


def test_a_stream_that_ends_before_the_reply_has_no_end() -> None:
    story = Story()
    made = Parts(reply(), dict, reply)
    assert "finish" not in types([part for part in made.all(story.tell(written("x"))) if part is not None])
    assert not made.ended
