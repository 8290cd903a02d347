from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
import structlog

from app.logs import configure
from app.tools.context import ToolContext
from app.tools.errors import ToolFailed, ToolsBusy, ToolTimeout
from app.tools.outcome import Done, Pause
from app.tools.running import Call, Ended, Runner
from app.tools.tool import Tool, tool
from tests.tools.conftest import MakeContext


class Gate:
    """A tool that holds until it is let through."""

    def __init__(self, timeout_seconds: float) -> None:
        self.entered = threading.Event()
        self.let = threading.Event()
        self.left = threading.Event()
        self.seen_cancelled = False
        self.tool = self._tool(timeout_seconds)

    def _tool(self, timeout_seconds: float) -> Tool:
        @tool(timeout_seconds=timeout_seconds)
        def gate(context: ToolContext) -> str:
            """Hold."""
            self.entered.set()
            self.let.wait(30)
            self.seen_cancelled = context.cancelled()
            self.left.set()
            return "through"

        return gate


@pytest.fixture
def make_gate() -> Iterator[type[Gate]]:
    made: list[Gate] = []

    class Kept(Gate):
        def __init__(self, timeout_seconds: float = 30) -> None:
            super().__init__(timeout_seconds)
            made.append(self)

    yield Kept
    for gate in made:
        gate.let.set()


@tool()
def quick(word: str) -> str:
    """Say it."""
    return word


def raising(error: BaseException) -> Tool:
    @tool(name="broken")
    def broken() -> str:
        """Break."""
        raise error

    return broken


def run(runner: Runner, context: ToolContext, *calls: Call) -> dict[str, Ended]:
    return {ended.call_id: ended for ended in runner.run(calls, context)}


def until_free(runner: Runner) -> None:
    """Wait for the abandoned threads to end."""
    late = time.monotonic() + 10
    while runner.abandoned:
        assert time.monotonic() < late, "an abandoned thread did not end"
        threading.Event().wait(0.01)


def test_calls_run_side_by_side_and_come_back_as_they_end(make_gate: type[Gate], context: ToolContext) -> None:
    first, second = make_gate(), make_gate()
    calls = [Call("a", first.tool, {}), Call("b", second.tool, {}), Call("c", quick, {"word": "hi"})]
    with closing(Runner().run(calls, context)) as ends:
        assert next(ends).outcome == Done("hi")
        assert first.entered.wait(10)
        assert second.entered.wait(10)
        second.let.set()
        assert next(ends).call_id == "b"
        first.let.set()
        assert [ended.call_id for ended in ends] == ["a"]


def test_an_end_has_its_times(context: ToolContext) -> None:
    ended = run(Runner(), context, Call("a", quick, {"word": "hi"}))["a"]
    assert timedelta() <= ended.ended - ended.started < timedelta(seconds=10)


def test_a_tool_that_hangs_is_given_up_and_the_others_are_not_delayed(
    make_gate: type[Gate], context: ToolContext
) -> None:
    runner, hanging = Runner(), make_gate(0.05)
    ends = run(runner, context, Call("a", hanging.tool, {}), Call("b", quick, {"word": "hi"}))
    assert str(ends["a"].outcome) == "The tool gate did not end within 0.05 s and was given up."
    assert isinstance(ends["a"].outcome, ToolTimeout)
    assert ends["b"].outcome == Done("hi")
    assert runner.abandoned == 1


def test_a_tool_that_was_given_up_learns_that_it_is_cancelled_and_frees_its_place(
    make_gate: type[Gate], context: ToolContext
) -> None:
    runner, hanging = Runner(), make_gate(0.05)
    run(runner, context, Call("a", hanging.tool, {}))
    hanging.let.set()
    assert hanging.left.wait(10)
    assert hanging.seen_cancelled
    until_free(runner)


def test_beyond_so_many_hanging_tools_calls_are_refused_until_one_ends(
    make_gate: type[Gate], context: ToolContext
) -> None:
    runner, hanging = Runner(most_abandoned=1), make_gate(0.05)
    run(runner, context, Call("a", hanging.tool, {}))
    refused = run(runner, context, Call("b", quick, {"word": "hi"}))["b"].outcome
    assert isinstance(refused, ToolsBusy)
    assert str(refused) == "Too many tools hang on this worker already; try again later."
    hanging.let.set()
    until_free(runner)
    assert run(runner, context, Call("c", quick, {"word": "hi"}))["c"].outcome == Done("hi")


def test_a_cancelled_reply_stops_waiting_at_once(make_gate: type[Gate], make_context: MakeContext) -> None:
    cancelled, hanging = threading.Event(), make_gate()
    runner = Runner()
    ends = runner.run(
        [Call("a", hanging.tool, {}), Call("b", quick, {"word": "hi"})], make_context(cancelled=cancelled.is_set)
    )
    assert next(ends).call_id == "b"
    cancelled.set()
    started = time.monotonic()
    assert list(ends) == []
    assert time.monotonic() - started < 5
    assert runner.abandoned == 1


def test_a_reply_that_is_cancelled_already_starts_nothing(make_gate: type[Gate], make_context: MakeContext) -> None:
    gate = make_gate()
    assert run(Runner(), make_context(cancelled=lambda: True), Call("a", gate.tool, {})) == {}
    assert not gate.entered.is_set()


def test_a_caller_that_goes_away_leaves_no_call_uncounted(make_gate: type[Gate], context: ToolContext) -> None:
    runner, hanging = Runner(), make_gate()
    ends = runner.run([Call("a", hanging.tool, {}), Call("b", quick, {"word": "hi"})], context)
    next(ends)
    ends.close()
    assert runner.abandoned == 1


def test_no_call_outlives_the_reply_it_works_for(make_gate: type[Gate], make_context: MakeContext) -> None:
    gate = make_gate()
    ended = run(Runner(), make_context(seconds_left=0.05), Call("a", gate.tool, {}))["a"]
    assert str(ended.outcome) == "The tool gate did not end within 0.05 s and was given up."


def test_without_time_nothing_is_started(make_gate: type[Gate], make_context: MakeContext) -> None:
    gate = make_gate()
    ended = run(Runner(), make_context(seconds_left=-1), Call("a", gate.tool, {}))["a"]
    assert str(ended.outcome) == "No time was left to run the tool gate."
    assert not gate.entered.is_set()


@pytest.fixture
def logged() -> None:
    """Log as every process of ours does, and with nothing left of an earlier reply."""
    configure("INFO")
    structlog.contextvars.clear_contextvars()


def test_an_exception_becomes_a_short_sentence_and_its_contents_are_not_logged(
    logged: None, context: ToolContext, caplog: pytest.LogCaptureFixture
) -> None:
    ended = run(Runner(), context, Call("a", raising(ValueError("secret\n" * 100)), {}))["a"]
    assert isinstance(ended.outcome, ToolFailed)
    assert str(ended.outcome).startswith("The tool broken raised ValueError: secret secret")
    assert len(str(ended.outcome)) < 300
    [line] = [record.msg for record in caplog.records if record.name == "app.tools.running"]
    assert isinstance(line, dict)
    assert line["error"] == "ValueError"
    assert line["place"].startswith("test_running.py:")
    assert "secret" not in caplog.text


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ToolFailed("No such page.")])
def test_whatever_a_tool_raises_is_its_end_and_no_more(error: BaseException, context: ToolContext) -> None:
    ended = run(Runner(), context, Call("a", raising(error), {}))["a"]
    assert isinstance(ended.outcome, ToolFailed)


def test_long_results_are_cut_and_other_outcomes_pass(context: ToolContext) -> None:
    @tool(result_chars=10)
    def wordy() -> str:
        """Say much."""
        return "x" * 50_000_000

    @tool()
    def pausing() -> Pause:
        """Pause."""
        return Pause(3, "later")

    ends = run(Runner(), context, Call("a", wordy, {}), Call("b", pausing, {}))
    assert ends["a"].outcome == Done("x" * 10 + "\n… cut at 10 characters of 50,000,000.")
    assert ends["b"].outcome == Pause(3, "later")


def test_log_lines_of_a_tool_carry_the_ids_of_its_reply(logged: None, context: ToolContext) -> None:
    seen: dict[str, object] = {}

    @tool()
    def look() -> str:
        """Look."""
        seen.update(structlog.contextvars.get_contextvars())
        return ""

    with structlog.contextvars.bound_contextvars(job_id="j"):
        run(Runner(), context, Call("a", look, {}))
    assert seen == {"job_id": "j"}
