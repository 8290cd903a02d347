"""What people and pauses do to jobs, as rules of the state machine in test_machine.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from app.ids import new_id
from app.models import Status
from tests.jobs.model import Known
from tests.jobs.play import Play

# Whom a rule concerns: mostly somebody who is still in the game, sometimes anybody who ever was.
WHICH = st.integers(0, 23)
SECONDS = st.sampled_from([0, 60])

T = TypeVar("T")


def chosen(which: int, of: Sequence[T], mostly: Sequence[T]) -> T:
    pool = mostly if which % 3 and mostly else of
    return pool[which // 3 % len(pool)]


def somebody_claimed(machine: Any) -> bool:
    return bool(machine.play.claims)


class Pausing:
    """Steps, questions and waits; answers, in time or late, once or twice; impatience."""

    if TYPE_CHECKING:
        play: Play

        def job(self, which: int) -> Known: ...

        def claim(self, which: int) -> Any: ...

    def paused(self, which: int, status: Status) -> Known:
        return chosen(which, self.play.jobs, self.play.in_state(status))

    @precondition(somebody_claimed)
    @rule(claim=WHICH, times=st.integers(1, 2))
    def commit_a_step(self, claim: int, times: int) -> None:
        for _ in range(times):
            self.play.append(self.claim(claim))
        self.play.settle(self.claim(claim))

    @precondition(somebody_claimed)
    @rule(claim=WHICH, seconds=SECONDS)
    def wait(self, claim: int, seconds: float) -> None:
        self.play.wait(self.claim(claim), seconds)

    @precondition(somebody_claimed)
    @rule(claim=WHICH, seconds=SECONDS)
    def ask(self, claim: int, seconds: float) -> None:
        self.play.ask(self.claim(claim), seconds)

    @precondition(lambda self: self.play.asked)
    @rule(which=WHICH, times=st.integers(1, 2))
    def answer(self, which: int, times: int) -> None:
        """What is asked now, or what was asked once."""
        now_asked = [asked for asked in self.play.asked if self.play.model.jobs[asked[0]].action_id == asked[1]]
        job_id, action_id = chosen(which, self.play.asked, now_asked)
        for _ in range(times):
            self.play.answer(job_id, action_id)

    @rule(job=WHICH, how=st.sampled_from(["answer", "hasten", "snooze", "stretch", "steer"]))
    def disturb(self, job: int, how: str) -> None:
        """What a person may do to a reply, perhaps to one that does not want it."""
        if how == "answer":
            self.play.answer(self.paused(job, Status.REQUIRES_ACTION).id, new_id())  # to what was never asked
        elif how == "hasten":
            self.play.hasten(self.paused(job, Status.WAITING))
        elif how == "steer":
            self.play.steer(self.job(job))
        else:
            self.play.snooze(self.paused(job, Status.WAITING), 60 if how == "stretch" else 0)

    @rule(what=st.sampled_from(["let_waits_end", "let_actions_expire", "let_seconds_pass"]))
    def let_time_pass(self, what: str) -> None:
        getattr(self.play, what)()
