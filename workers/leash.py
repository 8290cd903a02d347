"""Become a command that ends with its supervisor, even one killed with SIGKILL: `leash.py SUPERVISOR_PID COMMAND`.

A program of its own, because the request must be made after the fork and before the command's first instruction.
Only Linux has it; elsewhere children outlive a supervisor that was killed so, and keep DATA_DIR locked until they end.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int, by: signal.Signals) -> bool:
    """Ask for that signal at the parent's death; False when it has died before. Only Linux can be asked."""
    if sys.platform != "linux":
        return True
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)
    return os.getppid() == parent


def main(supervisor: int, command: str) -> None:
    """Ask for SIGTERM at the supervisor's death, then run the command in this process."""
    if not end_with_parent(supervisor, signal.SIGTERM):
        return
    os.execv("/bin/sh", ["sh", "-c", f"exec {command}"])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
