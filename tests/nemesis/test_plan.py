from __future__ import annotations

import subprocess
import sys

import pytest

from tests.nemesis.plan import FAULTS, MOST_AT_ONCE, ONLY_SERVED, Blow, plan
from tests.support.copy import ROOT


def lasting(blows: list[Blow], moment: float) -> list[Blow]:
    return [blow for blow in blows if blow.at <= moment < blow.until]


def test_a_seed_always_says_the_same_and_another_something_else() -> None:
    assert plan(1, 60, database_served=True) == plan(1, 60, database_served=True)
    assert plan(1, 60, database_served=True) != plan(2, 60, database_served=True)


@pytest.mark.parametrize("served", [True, False])
def test_all_faults_fall_within_the_time_and_few_at_once(served: bool) -> None:
    fallen = set()
    for seed in range(40):
        blows = plan(seed, 60, database_served=served)
        assert all(blow.at >= 2 and blow.until <= 60 for blow in blows)
        assert max(len(lasting(blows, blow.at)) for blow in blows) <= MOST_AT_ONCE
        fallen |= {blow.fault for blow in blows}
    assert fallen == (set(FAULTS) if served else set(FAULTS) - ONLY_SERVED)


@pytest.mark.parametrize(
    ("options", "named"),
    [(["--seed", "x"], "SEED"), (["--seed", "-1"], "SEED"), (["--seed", "1", "--seconds", "3"], "SECONDS")],
)
def test_a_bad_seed_or_time_ends_with_a_sentence(options: list[str], named: str) -> None:
    command = [sys.executable, "-m", "tests.nemesis", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert f"{named} must be a whole number" in done.stderr
