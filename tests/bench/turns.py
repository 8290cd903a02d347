"""`python -m tests.bench.turns [ROUNDS]`: what 1,000 tokens cost here and in the naive server, in turns.

For comparing before and after on a machine whose speed drifts: both are measured within the same seconds, and only the
multiple counts.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench import stage, streams
from tests.bench.figures import median
from tests.bench.stage import Target


def main(rounds: int) -> None:
    """Print each round, and the median of the multiples."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-turns-")))
        provider = stack.enter_context(stage.provider())
        database = stack.enter_context(stage.database("sqlite"))
        naive = stack.enter_context(stage.naive(provider, folder))
        ours = stack.enter_context(stage.holdfast(provider, folder / "ours", database))
        for server in (naive, ours):
            streams.replies(server, streams.STREAMS, model="fake-t50-r50")  # warms up
        multiples = [_round(naive, ours) for _ in range(rounds)]
    print(f"median: {median(multiples):.2f} times the naive server's")


def _round(naive: Target, ours: Target) -> float:
    floor, cost = _cost(naive), _cost(ours)
    print(f"naive {floor:.3f} s, holdfast {cost:.3f} s: {cost / floor:.2f} times", flush=True)
    return cost / floor


def _cost(server: Target) -> float:
    """CPU seconds for 1,000 tokens of 50 streams with a reader each."""
    before = server.cpu()
    streams.replies(server, streams.STREAMS)
    return (server.cpu() - before) * 1000 / (streams.STREAMS * streams.TOKENS)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
