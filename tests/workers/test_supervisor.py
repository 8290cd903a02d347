"""The supervisor with real processes: they come back, they go, and two copies never share a folder."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.support.copy import Copy, free_port, running_copy

ONE = "one: sh -c 'echo hello from $$; sleep 300 & wait'\n"  # starts another process of its own
DEAF = """deaf: sh -c 'trap "" TERM; echo deaf; while :; do sleep 0.1; done'\n"""


@pytest.fixture
def procfile(tmp_path: Path) -> Path:
    path = tmp_path / "Procfile"
    path.write_text(ONE)
    return path


def pid_of(copy: Copy, name: str, after: int = 0) -> int:
    return int(copy.wait_for(rf"{name} +\| started \(pid (\d+)\)", after=after)[1])


def test_a_killed_process_is_started_again_within_a_second(tmp_path: Path, procfile: Path) -> None:
    with running_copy(tmp_path / "var", procfile) as copy:
        first = pid_of(copy, "one")
        copy.wait_for(f"hello from {first}")
        printed, killed = len(copy.lines), time.monotonic()
        os.kill(first, signal.SIGKILL)
        second = pid_of(copy, "one", after=printed)
        copy.wait_for(f"hello from {second}", after=printed)
        assert time.monotonic() - killed < 1
        assert any("ended (SIGKILL); starting it again" in line for line in copy.lines)


def test_what_a_killed_process_had_started_goes_with_it(tmp_path: Path, procfile: Path) -> None:
    with running_copy(tmp_path / "var", procfile) as copy:
        first = pid_of(copy, "one")
        copy.wait_for(f"hello from {first}")
        printed = len(copy.lines)
        os.kill(first, signal.SIGKILL)
        copy.wait_for("hello from", after=printed)
        sleepers = [process for process in copy.family() if process.cmdline()[:2] == ["sleep", "300"]]
        assert len(sleepers) <= 1  # the new one's, unless it has yet to start it


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_stops_everything_within_ten_seconds(tmp_path: Path, procfile: Path, number: signal.Signals) -> None:
    procfile.write_text(ONE + DEAF)
    with running_copy(tmp_path / "var", procfile) as copy:
        copy.wait_for("hello")
        copy.wait_for("deaf *$")
        assert copy.stop(number) < 10
        assert copy.process.returncode == 0
        assert copy.family() == []


def test_a_second_signal_does_not_wait_for_the_deaf(tmp_path: Path, procfile: Path) -> None:
    procfile.write_text(ONE + DEAF)
    with running_copy(tmp_path / "var", procfile) as copy:
        copy.wait_for("deaf *$")
        copy.process.send_signal(signal.SIGINT)
        copy.wait_for("Stopping everything")
        assert copy.stop(signal.SIGINT) < 2
        assert copy.family() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_nothing_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("one: sleep 300\ntwo: sleep 300\n")
    with running_copy(tmp_path / "var", procfile) as copy:
        pid_of(copy, "one")
        pid_of(copy, "two")
        copy.stop(signal.SIGKILL)
        deadline = time.monotonic() + 5
        while copy.family() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert copy.family() == []


def test_a_second_copy_on_the_same_folder_is_refused(tmp_path: Path, procfile: Path) -> None:
    with running_copy(tmp_path / "var", procfile) as first:
        first.wait_for("hello")
        with running_copy(tmp_path / "var", procfile) as second:
            second.wait_for("DATA_DIR: .* is in use by a copy that runs")
            assert second.process.wait(5) == 2
            assert first.process.poll() is None


def test_two_copies_with_their_own_folders_run_side_by_side(tmp_path: Path, procfile: Path) -> None:
    with running_copy(tmp_path / "one", procfile) as one, running_copy(tmp_path / "two", procfile) as two:
        one.wait_for("hello")
        two.wait_for("hello")


@pytest.mark.parametrize("variable", ["PORT", "FLOWER_PORT"])
def test_a_taken_port_is_named(tmp_path: Path, procfile: Path, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running_copy(tmp_path / "var", procfile, **{variable: port}) as copy:
            copy.wait_for(rf"^{variable}: cannot listen on 127.0.0.1:{port}")
            assert copy.process.wait(5) == 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"HOST": "0.0.0.0"}, "^FLOWER_BASIC_AUTH: must be user:password"),
        ({"PORT": "abc"}, "^PORT: .*abc"),
        ({"PORT": "8001", "FLOWER_PORT": "8001"}, "^FLOWER_PORT: must differ"),
        ({"WEB_CONCURRENCY": "many"}, "^WEB_CONCURRENCY: .*many"),
        ({"WORKER_PROCESSES": "1000"}, "^WORKER_PROCESSES: .*64"),
    ],
    ids=["exposed Flower", "no number", "equal ports", "no number of web processes", "too many workers"],
)
def test_a_wrong_setting_ends_with_its_sentence(
    tmp_path: Path, procfile: Path, settings: dict[str, str], sentence: str
) -> None:
    with running_copy(tmp_path / "var", procfile, **settings) as copy:
        copy.wait_for(sentence)
        assert copy.process.wait(5) == 2
        assert not any("Traceback" in line for line in copy.lines)


def test_a_line_of_env_reaches_programs_that_read_their_environment(tmp_path: Path, procfile: Path) -> None:
    procfile.write_text("one: sh -c 'echo $WEB_CONCURRENCY web processes; sleep 300'\n")
    (tmp_path / ".env").write_text("WEB_CONCURRENCY=3\n")
    with running_copy(tmp_path / "var", procfile) as copy:
        copy.wait_for("3 web processes")


def test_further_workers_have_names_of_their_own(tmp_path: Path, procfile: Path) -> None:
    procfile.write_text("""worker: sh -c 'echo started "$@"; sleep 300' sh --quiet\n""")
    with running_copy(tmp_path / "var", procfile, WORKER_PROCESSES="3") as copy:
        copy.wait_for(r"worker +\| started --quiet$")
        copy.wait_for(r"worker2 +\| started --quiet --hostname worker2@%h$")
        copy.wait_for(r"worker3 +\| started --quiet --hostname worker3@%h$")
        assert not any("worker4" in line for line in copy.lines)


def test_nothing_starts_when_the_release_command_fails(tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("release: sh -c 'echo no migration; exit 3'\none: echo hello\n")
    with running_copy(tmp_path / "var", procfile) as copy:
        copy.wait_for("no migration")
        assert copy.process.wait(5) == 3
        assert not any("hello" in line for line in copy.lines)


def test_the_addresses_it_chose_are_kept_from_start_to_start(tmp_path: Path, procfile: Path) -> None:
    def addresses() -> str:
        with running_copy(tmp_path / "var", procfile) as copy:
            copy.wait_for("hello")
            copy.process.send_signal(signal.SIGINT)
            copy.stop(signal.SIGINT)
        return (tmp_path / "var" / "runtime.env").read_text()

    first = addresses()
    assert "REDIS_URL=redis://127.0.0.1:" in first
    assert "LOCAL_BASE_URL=http://127.0.0.1:" in first
    assert addresses() == first
    assert (tmp_path / "var" / "runtime.env").stat().st_mode & 0o077 == 0


def test_it_starts_no_server_where_a_variable_names_another(tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("valkey: echo my valkey\nmodel: echo my model\none: sleep 300\n")
    elsewhere = f"redis://127.0.0.1:{free_port()}/0"
    with running_copy(tmp_path / "var", procfile, REDIS_URL=elsewhere, LOCAL_MODEL="off") as copy:
        pid_of(copy, "one")
        copy.stop()
        assert not any("my valkey" in line or "my model" in line for line in copy.lines)
        assert (tmp_path / "var" / "runtime.env").read_text() == ""


def test_a_process_that_dies_at_every_start_is_tried_ever_more_rarely(tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("one: sh -c 'exit 7'\n")
    with running_copy(tmp_path / "var", procfile) as copy:
        for pause in ("0.2", "0.4", "0.8"):
            copy.wait_for(rf"ended \(code 7\); starting it again in {pause} s")
