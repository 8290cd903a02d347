from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app import failpoints
from app.config import Settings, SettingsError, load_settings
from tests.support.copy import ROOT

BEYOND = (
    "from app import failpoints; import sys; failpoints.arm(sys.argv[1]); failpoints.hit(*sys.argv[2:]); print('on')"
)


def run(rule: str, *point: str) -> subprocess.CompletedProcess[str]:
    """Arm the rule, come to the point, and print if the process is still there."""
    command = [sys.executable, "-c", BEYOND, rule, *point]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(("action", "code"), [("kill", -signal.SIGKILL), ("exit", 70)])
def test_a_process_ends_at_its_point(action: str, code: int) -> None:
    done = run(f"claimed:{action}", "claimed")
    assert (done.returncode, done.stdout) == (code, "")


def test_a_process_freezes_at_its_point() -> None:
    command = [sys.executable, "-c", BEYOND, "claimed:freeze", "claimed"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=30)[0] == "on\n"


@pytest.mark.parametrize(
    ("rule", "point"), [("", ["claimed"]), ("claimed:kill", ["called"]), ("chunk~w13:kill", ["chunk", "w1 "])]
)
def test_elsewhere_it_goes_on(rule: str, point: list[str]) -> None:
    assert run(rule, *point).stdout == "on\n"


def test_a_point_with_a_text_is_met_only_by_that_text() -> None:
    assert run("claimed:exit, chunk~w13:kill", "chunk", "and w13 ").returncode == -signal.SIGKILL


def test_every_point_that_the_code_names_is_known_and_every_known_one_is_named() -> None:
    named = {
        point
        for folder in ("app", "workers", "tasks")
        for path in (ROOT / folder).rglob("*.py")
        for point in re.findall(r'failpoints\.hit\("(\w+)"', path.read_text())
    }
    assert named == set(failpoints.POINTS)


@pytest.mark.parametrize("rule", ["nowhere:kill", "claimed:dance", "claimed", "claimed:kill,:", "chunk~:kill"])
def test_an_unknown_failpoint_is_refused_by_name(rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FAILPOINTS", rule)
    with pytest.raises(SettingsError, match=r"FAILPOINTS: has an unknown failpoint .*; it is point:action"):
        load_settings()


def test_a_wrong_setting_ends_every_process_with_its_sentence_and_exit_code_2(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "FAILPOINTS": "nowhere:kill"}
    for command in (["-m", "flask", "--app", "app", "check"], ["-m", "celery", "--app", "workers.worker", "worker"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 2, command
        assert done.stderr.startswith("FAILPOINTS: ")
        assert len(done.stderr.splitlines()) == 1


def test_unset_there_is_none() -> None:
    assert Settings.model_fields["failpoints"].default == ""
    assert failpoints.parse("") == {}
