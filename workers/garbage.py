"""How often a serving process looks for cycles among its objects."""

from __future__ import annotations

import gc

# Python's own first threshold, 700 allocations, is crossed many times in each request; and a look through all objects
# of a process with thousands of open streams holds all of them up for a third of a second.
_THRESHOLDS = (20_000, 50, 1_000)


def collect_nothing_yet() -> None:
    """Look for none while everything is loaded, which would take a fifth longer: nearly all of it stays."""
    gc.disable()


def collect_seldom() -> None:
    """Let what is loaded be, and look for garbage seldom; to be called when everything is made ready."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
