"""Who waits for the tick wakes with the others."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import tick


@given(st.floats(0, 1_000_000), st.sampled_from([0.001, 0.003, 0.5]))
def test_whenever_one_begins_one_wakes_at_a_multiple(now: float, seconds: float) -> None:
    slept: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now)
        patch.setattr(time, "sleep", slept.append)
        tick.wait(seconds)
    assert 0 < slept[0] <= seconds
    ticks = (now + slept[0]) / seconds
    assert ticks == pytest.approx(round(ticks))


def test_without_a_tick_others_only_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    tick.wait(0)
    assert slept == [0]
