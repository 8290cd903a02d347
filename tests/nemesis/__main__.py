"""`make nemesis SEED=1 SECONDS=60`: faults drawn from a seed befall a copy under load; then the checker looks.

Exit code 0: nothing is violated; 1: something is; 2: it could not begin.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.nemesis.blows import Undo, strike
from tests.nemesis.load import Person
from tests.nemesis.plan import Blow, plan
from tests.support.postgres import PostgresUnavailable, running_postgres
from tests.system.scene import Scene, running_scene

PEOPLE = 5
SETTLE_SECONDS = 90


def main() -> int:
    """Read the options, run, and say how it went."""
    arguments = _arguments()
    try:
        folder = Path(tempfile.mkdtemp(prefix="holdfast-nemesis-"))
        with _database(arguments.database, folder) as url:
            code = _run(folder, url, arguments.seed, arguments.seconds)
    except PostgresUnavailable as error:
        print(error, file=sys.stderr)
        return 2
    if code:
        print(f"logs and transcripts: {folder}")
    else:
        shutil.rmtree(folder)
    return code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nemesis", usage=argparse.SUPPRESS, description=__doc__)
    parser.add_argument("--seed", type=_whole("SEED", 0, 2**63), required=True, help="a whole number")
    parser.add_argument("--seconds", type=_whole("SECONDS", 10, 3600), default=60, help="10 to 3600")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    return parser.parse_args()


def _whole(name: str, least: int, most: int) -> object:
    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{name} must be a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return read


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'holdfast.db'}"
    else:
        with running_postgres() as server:
            yield server.url


def _run(folder: Path, url: str, seed: int, seconds: float) -> int:
    served = url.startswith("postgresql")
    proxied = {"redis", "web", "provider"} | ({"database"} if served else set())
    blows = plan(seed, seconds, database_served=served)
    print(f"seed {seed}, {seconds:g} s, {len(blows)} faults, {PEOPLE} people, {url.partition(':')[0]}", flush=True)
    with running_scene(folder / "scene", url, workers=2, proxied=proxied, check=False, settings={}) as scene:
        people = [Person(scene, seed * 1000 + number) for number in range(PEOPLE)]
        _strike_all(scene, blows, seconds)
        for person in people:
            person.stop()
        ended = time.time()
        print(f"{sum(person.posts for person in people)} replies; waiting for their ends", flush=True)
        try:
            for person in people:
                person.join()
            scene.settle(SETTLE_SECONDS)
        except AssertionError as error:
            print(f"seed {seed}: {error}")
            print(scene.verdicts(faults_ended=ended)[1])
            return 1
        code, report = scene.verdicts(faults_ended=ended)
    print(report, flush=True)
    print(f"seed {seed}: {'nothing violated' if code == 0 else 'VIOLATED'}", flush=True)
    return code


def _strike_all(scene: Scene, blows: list[Blow], seconds: float) -> None:
    """Let each blow begin and end at its time; what falls due at once is done one after another."""
    began, count = time.monotonic(), itertools.count()
    waiting, lasting = list(blows), list[tuple[float, Undo]]()
    while waiting or lasting:
        now = time.monotonic() - began
        for _, undo in [entry for entry in lasting if entry[0] <= now]:
            undo()
        lasting = [entry for entry in lasting if entry[0] > now]
        if waiting and waiting[0].at <= now:
            blow = waiting.pop(0)
            print(blow, flush=True)
            lasting.append((blow.until, strike(scene, blow.fault, next(count))))
        time.sleep(0.05)  # before it looks again what is due
    time.sleep(max(0.0, began + seconds - time.monotonic()))  # the rest of the time that was asked for


if __name__ == "__main__":
    sys.exit(main())
