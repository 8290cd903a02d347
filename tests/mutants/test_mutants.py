"""The short form of `make mutants`: every mutant still applies, and the quickest are killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.jobs.transitions import Guard
from tests.mutants.__main__ import main
from tests.mutants.catalog import MUTANTS
from tests.mutants.mutant import DoesNotApply, Edit, Mutant
from tests.mutants.running import copied, mutated, run
from tests.support.copy import ROOT

QUICK = ("log-takes-older-attempts", "log-takes-more-after-the-end", "claim-without-live")


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=lambda mutant: mutant.name)
def test_a_mutant_applies_is_python_and_names_tests(mutant: Mutant) -> None:
    for path, text in mutant.changed(ROOT).items():
        compile(text, path, "exec")
    assert all((ROOT / test).exists() for test in mutant.tests)
    assert len({edit.file for edit in mutant.edits}) == len(mutant.edits)


@pytest.mark.parametrize("name", QUICK)
def test_a_broken_promise_is_noticed(copy: Path, name: str) -> None:
    with mutated(copy, MUTANTS[name]):
        assert run(copy, MUTANTS[name].tests).failed
    assert all((copy / edit.file).read_text() == (ROOT / edit.file).read_text() for edit in MUTANTS[name].edits)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> object:
    with copied() as root:
        yield root


def test_text_that_is_missing_or_there_twice_is_no_place_for_a_mutant(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("one = 1\ntwo = 1\n")
    assert Edit("code.py", "one = 1", "one = 2").made_in(tmp_path) == "one = 2\ntwo = 1\n"
    for edit in (Edit("code.py", "1", "2"), Edit("code.py", "3", "2"), Edit("none.py", "1", "2")):
        with pytest.raises(DoesNotApply):
            edit.made_in(tmp_path)


def test_an_unknown_name_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nobody"]) == 2
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("No mutant is named nobody; there are held-without-attempt, ")


def test_every_kind_of_guard_is_among_the_mutants() -> None:
    changed = " ".join(edit.old for mutant in MUTANTS.values() for edit in mutant.edits)
    for guard in Guard:
        assert f"Guard.{guard.name}" in changed


def test_the_command_is_the_module() -> None:
    asked = [sys.executable, "-m", "tests.mutants", "nobody"]
    assert subprocess.run(asked, cwd=ROOT, capture_output=True, check=False).returncode == 2
