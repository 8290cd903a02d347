"""`make chaos`: every fault on both databases at once, most of the time waiting; writes docs/reliability.md.

Exit code 0: all passed. Nothing is written when a test failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.support.copy import ROOT
from tests.system.reliability import Run

DATABASES = ("sqlite", "postgresql")
DOCUMENT = ROOT / "docs" / "reliability.md"


def main() -> int:
    """Run both, tell of them as they go, and put what they have shown into one table."""
    with tempfile.TemporaryDirectory(prefix="holdfast-chaos-") as folder:
        kept = {database: Path(folder, f"{database}.json") for database in DATABASES}
        running = {database: _start(database, path) for database, path in kept.items()}
        telling = [threading.Thread(target=_tell, args=one) for one in running.items()]
        for thread in telling:
            thread.start()
        for thread in telling:
            thread.join()
        codes = [process.wait() for process in running.values()]
        run = Run()
        for path in kept.values():
            if path.exists():
                run.add(path)
    print(run.tables())
    if any(codes):
        return 1
    run.write(DOCUMENT)
    return 0


def _start(database: str, kept: Path) -> subprocess.Popen[str]:
    options = ["-v", "--color=no", "--timeout=600", f"--keep-faults={kept}", f"--basetemp={kept.with_suffix('')}"]
    command = [sys.executable, "-m", "pytest", "-m", "fault or chaos", "-k", database, *options, "tests"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _tell(database: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        print(f"{database:10}  {line}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
