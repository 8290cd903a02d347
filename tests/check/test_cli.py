"""The command as a process: what it prints on which stream, and its exit codes where it cannot check."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.check.conftest import Check
from tests.support.copy import ROOT, free_port
from tests.support.postgres import fresh_database


def flask_check(database_url: str, folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """`flask check` in an environment of its own, without Redis."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    own = {"DATA_DIR": str(folder), "DATABASE_URL": database_url, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    command = [sys.executable, "-m", "flask", "--app", "app", "check", *map(str, options)]
    return subprocess.run(command, cwd=ROOT, env=kept | own, capture_output=True, text=True, check=False)


def cannot(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a check that could not be made."""
    assert (done.returncode, done.stdout) == (2, ""), done
    [line] = done.stderr.splitlines()
    return line


def test_a_migrated_database_is_checked_without_redis(database_url: str, tmp_path: Path) -> None:
    done = flask_check(database_url, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [f"G{number}" for number in range(1, 13)]
    assert lines[0] == "G1   kept and ended      held            0 replies  (without --transcripts)"
    assert lines[1] == ("G2   terminal is final   not observable  (needs --transcripts, Redis, which does not answer)")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_it_changes_nothing(database_url: str, tmp_path: Path) -> None:
    path = Path(database_url.removeprefix("sqlite:///"))
    before = path.read_bytes()
    path.chmod(0o444)
    assert flask_check(database_url, tmp_path / "data").returncode == 0
    assert path.read_bytes() == before


def test_a_database_that_is_not_there(tmp_path: Path, postgres: str) -> None:
    missing = tmp_path / "missing.db"
    assert f"The database {missing} does not exist" in cannot(flask_check(f"sqlite:///{missing}", tmp_path))
    assert not missing.exists()
    nowhere = f"postgresql://somebody:secret@127.0.0.1:{free_port()}/nothing"
    said = cannot(flask_check(nowhere, tmp_path))
    assert "The database cannot be read" in said
    assert "secret" not in said
    assert "The database cannot be read" in cannot(flask_check(f"{postgres}_not_there", tmp_path))


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("This is no database. " * 100)
    assert "The database cannot be read" in cannot(flask_check(f"sqlite:///{tmp_path / 'no.db'}", tmp_path))


def test_a_database_that_is_not_migrated(tmp_path: Path, postgres: str) -> None:
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE t (x)").close()
    for url in (f"sqlite:///{tmp_path / 'empty.db'}", fresh_database(postgres)):
        said = cannot(flask_check(url, tmp_path))
        assert said.startswith("The database is not migrated, this code needs ")
        assert said.endswith("; run `flask --app app setup`.")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_of_another_revision(database_url: str, tmp_path: Path) -> None:
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'another'")
    connection.close()
    assert "The database is at revision another" in cannot(flask_check(database_url, tmp_path))


OPENED = json.dumps({"time": 1, "open": {"client": "c", "via": "sse", "user_id": "u", "scope": "thread", "id": "t"}})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no JSON\n", "a.jsonl:1 is no JSON object."),
        ("[]\n", "a.jsonl:1 is no JSON object."),
        ('{"time": 1, "note": "connected"}\n', "only its first line says what was opened"),
        (f"{OPENED}\n{OPENED}\n", "only its first line says what was opened"),
        (f"{OPENED}\ntorn\n{OPENED}\n", "a.jsonl:2 is no JSON object."),
        (f'{OPENED}\n{{"time": 1, "surprise": 1}}\n', "a.jsonl:2 is no line of a transcript."),
        (f'{OPENED}\n{{"note": "no time"}}\n', "a.jsonl:2 is no line of a transcript."),
        (f'{OPENED}\n{{"time": 1, "event": {{"type": "message.delta"}}}}\n', "a.jsonl:2 is no line of a transcript."),
        (f'{OPENED}\n{{"time": 1, "polled": {{"id": "x"}}}}\n', "a.jsonl:2 is no line of a transcript."),
        (f'{OPENED}\n{{"time": 1, "end": {{"texts": 1}}}}\n', "a.jsonl:2 is no line of a transcript."),
        (b"\xff\xfe\n", "is no text."),
    ],
)
def test_a_file_that_is_no_transcript(check: Check, tmp_path: Path, content: str | bytes, said: str) -> None:
    folder = tmp_path / "transcripts"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
    report = check("--transcripts", folder)
    assert (report.code, report.stdout) == (2, "")
    assert said in report.stderr
    assert len(report.stderr.splitlines()) == 1


def test_files_and_folders_that_are_not_there(check: Check, tmp_path: Path) -> None:
    for option, said in {
        "--transcripts": "is no folder.",
        "--logs": "is no folder.",
        "--provider": "cannot be read: No such file or directory.",
        "--resources": "cannot be read: No such file or directory.",
    }.items():
        report = check(option, tmp_path / "missing")
        assert (report.code, report.stdout, report.stderr) == (2, "", f"{tmp_path / 'missing'} {said}\n")
    for option, pattern in {"--transcripts": "*.jsonl", "--logs": "*.log*"}.items():
        assert check(option, tmp_path).stderr == f"{tmp_path} has no {pattern}.\n"
    assert check("--resources", tmp_path).code == 2
    assert check("--provider", tmp_path).code == 2


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"before": {"a": 1}}',
        '{"before": {"a": "x"}, "after": {}}',
        '{"before": {"a": 1}, "after": {"b": 1}}',
    ],
)
def test_resources_that_cannot_be_compared(check: Check, tmp_path: Path, content: str) -> None:
    path = tmp_path / "resources.json"
    path.write_text(content)
    report = check("--resources", path)
    assert (report.code, report.stdout) == (2, "")
    assert str(path) in report.stderr


@pytest.mark.parametrize(
    "line",
    ['{"event": "closed", "call": 1, "time": 1}', '{"event": "other", "call": 1, "time": 1}', '{"call": 1}', "{}"],
)
def test_a_file_that_is_no_log_of_calls(check: Check, tmp_path: Path, line: str) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text(f"{line}\n")
    report = check("--provider", path)
    assert (report.code, report.stderr) == (2, "calls.jsonl:1 is no line of a provider's log of calls.\n")


def test_options_that_do_not_exist_or_are_no_numbers(check: Check) -> None:
    assert check("--surprise").code == 2
    assert check("--faults-ended", "yesterday").code == 2
