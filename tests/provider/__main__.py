"""Run the fake provider as a process until it is interrupted; prints its URL as the first line."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from tests.provider.server import FakeProvider


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--calls", type=Path, help="file that gets a JSON line for each request and each end")
    arguments = parser.parse_args()
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before any thread starts, so that only sigwait takes them
    with FakeProvider(port=arguments.port, calls=arguments.calls) as provider:
        print(provider.url, flush=True)
        signal.sigwait(stop)


if __name__ == "__main__":
    main()
