"""Which Python `make run` takes."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[1] / "requirements" / "install.py"
PLAIN = {"CONFIG_ARGS": "'--enable-shared'", "PGO_PROF_USE_FLAG": "-fprofile-use"}
NAMED_OPTION = {"CONFIG_ARGS": "'--enable-shared' '--enable-optimizations'", "PGO_PROF_USE_FLAG": "-fprofile-use"}
DEBIAN = {"CONFIG_ARGS": "'--enable-shared'", "PGO_PROF_USE_FLAG": ""}
OLD = (3, 10, 0)
REAL = sys.executable


@pytest.fixture
def chosen() -> Callable[[str | None], str]:
    """That of the program, which is no module of any package: it runs before there are packages."""
    function: Callable[[str | None], str] = runpy.run_path(str(INSTALL))["chosen"]
    return function


def python(folder: Path, name: str, built: dict[str, str], *, version: tuple[int, ...] = sys.version_info[:3]) -> str:
    """A Python of this version in the folder, which says of itself that it was built so."""
    told = folder / f"of-{name}"
    told.mkdir(parents=True)
    lines = [
        "import sys, sysconfig",
        f"sysconfig.get_config_vars().update({built!r})",
        f"sys.version_info = {version!r}",
    ]
    (told / "usercustomize.py").write_text("\n".join(lines))
    program = folder / name
    program.write_text(f'#!/bin/sh\nPYTHONPATH={told} exec {REAL} -c "import usercustomize; $2"\n')
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("optimised", [NAMED_OPTION, DEBIAN])
def test_an_optimised_python_is_taken_before_a_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: Callable[[str | None], str], optimised: dict[str, str]
) -> None:
    monkeypatch.setattr(sys, "executable", python(tmp_path / "a", "python3", PLAIN))
    python(tmp_path / "b", "python3", optimised, version=OLD)
    wanted = python(tmp_path / "b", "python3.12", optimised)
    python(tmp_path / "c", "python3", optimised)
    monkeypatch.setenv("PATH", ":".join(str(tmp_path / folder) for folder in ("a", "b", "c", "none")))
    assert chosen(None) == wanted


@pytest.mark.parametrize("both", [NAMED_OPTION, PLAIN], ids=["all are optimised", "none is"])
def test_otherwise_it_is_the_one_that_make_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: Callable[[str | None], str], both: dict[str, str]
) -> None:
    monkeypatch.setattr(sys, "executable", python(tmp_path / "a", "python3", both))
    python(tmp_path / "b", "python3", both)
    monkeypatch.setenv("PATH", str(tmp_path / "b"))
    assert chosen(None) == sys.executable


def test_the_one_that_is_named_is_taken_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: Callable[[str | None], str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "b"))
    python(tmp_path / "b", "python3", NAMED_OPTION)
    plain = python(tmp_path / "a", "python3", PLAIN)
    old = python(tmp_path / "c", "python3", NAMED_OPTION, version=OLD)
    assert chosen(plain) == plain
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer"):
        chosen(old)
