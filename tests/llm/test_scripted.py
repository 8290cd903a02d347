from __future__ import annotations

import threading
import time

import pytest

from app.llm import errors
from app.llm.call import Call
from app.llm.types import Part, ReasoningDelta, TextDelta, ToolCall, Turn
from tests.llm.conftest import Ask, finished, text, words


def test_without_directives_it_echoes_word_by_word(ask: Ask) -> None:
    chunks = ask("scripted/echo", "Hello there,\n\nfriend!")
    assert chunks[:-1] == [TextDelta("Hello"), TextDelta(" there,"), TextDelta("\n\nfriend!")]
    assert finished(chunks).reason == "stop"


def test_equal_requests_have_equal_chunks_and_usage(ask: Ask) -> None:
    assert ask("scripted/echo", "Hello you", system="S") == ask("scripted/other", "Hello you", system="S")


def test_only_the_last_user_turn_is_the_script(ask: Ask) -> None:
    turns = (Turn("user", "!error 500"), Turn("assistant", "!cut"), Turn("user", "fine"))
    assert text(ask("scripted/echo", turns)) == "fine"


def test_numbered_words_show_gaps_and_repeats(ask: Ask) -> None:
    assert text(ask("scripted/echo", "!words 200")) == words(200)


def test_reasoning_and_a_finish_reason(ask: Ask) -> None:
    chunks = ask("scripted/echo", "!reason because I can\nYes.\n!finish length")
    assert chunks[0] == ReasoningDelta("because I can")
    assert text(chunks) == "Yes."
    assert finished(chunks).reason == "length"


def test_tools_are_called_once_and_their_results_said(ask: Ask) -> None:
    script = '!tool now {"zone": "UTC"}\n!tool roll\nThank you.'
    end = finished(ask("scripted/echo", script))
    assert end.reason == "tool_calls"
    assert end.tool_calls == (ToolCall("call_1", "now", '{"zone": "UTC"}'), ToolCall("call_2", "roll", "{}"))
    called = Turn("assistant", "Thank you.", end.tool_calls)
    results = (Turn("tool", "12:00", tool_call_id="call_1"), Turn("tool", "4", tool_call_id="call_2"))
    chunks = ask("scripted/echo", (Turn("user", script), called, *results))
    assert text(chunks) == "12:00\n4\nThank you."
    assert finished(chunks).reason == "stop"


def test_a_delay_comes_before_each_word(ask: Ask) -> None:
    start = time.monotonic()
    ask("scripted/echo", "!wait 0.1\n!delay 0.02\n!words 10")
    assert 0.3 <= time.monotonic() - start < 0.8


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("!error 401", errors.ProviderUnauthorized),
        ("!error 400", errors.ProviderRefused),
        ("!error 429 retry-after=2", errors.ProviderBusy),
        ("!error 500", errors.ProviderDown),
        ("a few words\n!cut", errors.StreamCut),
        ("!nonsense", errors.ProviderRefused),
        ("!words many", errors.ProviderRefused),
        ("!finish never", errors.ProviderRefused),
        ("!tool now {", errors.ProviderRefused),
        ("!error 500 times", errors.ProviderRefused),
    ],
)
def test_it_fails_as_it_is_told(script: str, kind: type[Exception], ask: Ask) -> None:
    with pytest.raises(kind):
        ask("scripted/echo", script)


def test_a_wait_is_told_with_the_error(ask: Ask) -> None:
    with pytest.raises(errors.ProviderBusy) as caught:
        ask("scripted/echo", "!error 429 retry-after=2")
    assert caught.value.retry_after == 2


def test_a_fault_may_pass_after_some_times(ask: Ask) -> None:
    script = "!error 500 times=2\nThird time lucky."
    for _ in range(2):
        with pytest.raises(errors.ProviderDown):
            ask("scripted/echo", script)
    assert text(ask("scripted/echo", script)) == "Third time lucky."


def test_silence_lasts_until_the_watch_ends_it(ask: Ask) -> None:
    with pytest.raises(errors.ProviderSilent):
        ask("scripted/echo", "Well\n!silence", call=Call(5, 0.2))


@pytest.mark.parametrize("script", ["!silence", "!wait 9", "!delay 9\nword", "!delay 0.05\n!words 500"])
def test_a_cut_ends_every_pause_at_once(script: str, ask: Ask) -> None:
    call, start = Call(60, 60), time.monotonic()
    timer = threading.Timer(0.2, call.cut, ["cancelled"])
    timer.start()
    with pytest.raises(errors.CallCut):
        ask("scripted/echo", script, call=call)
    timer.join()
    assert time.monotonic() - start < 0.6


def test_an_empty_script_says_nothing(ask: Ask) -> None:
    chunks = ask("scripted/echo", ())
    assert not any(isinstance(chunk, TextDelta) for chunk in chunks)
    assert finished(chunks).reason == "stop"


def test_it_says_what_was_attached_to_the_script(ask: Ask) -> None:
    parts = (Part("image/png", b"1234", "cat.png"), Part("application/pdf", b"12", "paper.pdf"))
    assert text(ask("scripted/echo", (Turn("user", "!attached", parts=parts),))) == "image/png 4\napplication/pdf 2"


def test_each_call_of_a_conversation_has_a_name_of_its_own(ask: Ask) -> None:
    called = Turn("assistant", "", (ToolCall("call_1", "now", "{}"),))
    turns = (
        Turn("user", "!tool now"),
        called,
        Turn("tool", "12:00", tool_call_id="call_1"),
        Turn("user", "!tool roll"),
    )
    assert finished(ask("scripted/echo", turns)).tool_calls == (ToolCall("call_2", "roll", "{}"),)
