"""The tick to which a process gathers: what came since the last one is read, or sent, together."""

from __future__ import annotations

import time


def wait(seconds: float) -> None:
    """Sleep to the next whole multiple of `seconds`; with 0 let others have their turn.

    Who wait with the same number wake together: the process wakes up once for all of them.
    """
    time.sleep(seconds - time.monotonic() % seconds if seconds else 0)
