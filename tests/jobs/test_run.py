from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from app.ids import new_id
from app.jobs.claim import Claim
from app.jobs.run import Run, Stop, Stopped


def run(seconds_left: float = 60) -> Run:
    return Run(Claim(new_id(), new_id(), 1, new_id(), None, 0, 0, datetime.now(UTC), seconds_left))


@pytest.mark.parametrize("first", [Stop.CANCELLED, Stop.HANDED_OVER, Stop.DEADLINE])
def test_the_first_reason_stays_but_a_lost_lease_overrules_it(first: Stop) -> None:
    stopped = run()
    stopped.stop(first)
    stopped.stop(Stop.CANCELLED)
    assert stopped.why is first
    stopped.stop(Stop.LOST)
    stopped.stop(first)
    with pytest.raises(Stopped) as raised:
        stopped.check()
    assert raised.value.why is Stop.LOST


def test_a_run_that_nobody_stopped_goes_on() -> None:
    going = run()
    going.check()
    going.sleep(0)
    assert going.why is None
    assert 59 < going.seconds_left() <= 60
    assert run(-5).seconds_left() == 0


def test_a_stop_wakes_a_sleeping_run_and_cuts_what_it_reads() -> None:
    stopped, cut, began = run(), [], time.monotonic()
    stopped.on_stop(cut.append)
    threading.Timer(0.05, stopped.stop, [Stop.CANCELLED]).start()
    with pytest.raises(Stopped):
        stopped.sleep(30)
    assert time.monotonic() - began < 10
    assert cut == ["cancelled"]


def test_what_comes_after_the_stop_is_cut_at_once() -> None:
    stopped, cut = run(), []
    stopped.stop(Stop.HANDED_OVER)
    stopped.on_stop(cut.append)
    assert cut == ["handed over"]
    stopped.on_stop(None)
    stopped.stop(Stop.LOST)
    assert cut == ["handed over"]
