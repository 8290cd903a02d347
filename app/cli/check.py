"""`check`: whether every promise was kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from alembic.script import ScriptDirectory
from flask import current_app
from flask.cli import with_appcontext

from app.check import checking, report
from app.check.checking import Evidence
from app.check.errors import Unusable
from app.check.verdict import Outcome
from app.extensions import settings

_PATH = click.Path(path_type=Path)
_VIOLATED, _UNUSABLE = 1, 2


@click.command()
@click.option("--transcripts", type=_PATH, help="Folder of what test clients wrote down, *.jsonl.")
@click.option("--provider", type=_PATH, multiple=True, help="A fake provider's log of calls.")
@click.option("--tools", type=_PATH, multiple=True, help="A tool server's log of what really ran.")
@click.option("--logs", type=_PATH, help="Folder of log files, *.log*, to search for secrets.")
@click.option("--resources", type=_PATH, help='JSON: {"before": {name: number}, "after": {…}}.')
@click.option("--canary", "canaries", multiple=True, help="A text that must stand in no log.")
@click.option("--faults-ended", type=float, help="When the last fault ended, in seconds since the epoch.")
@with_appcontext
def check(**evidence: Any) -> None:
    """Print of each promise, G1 to G12, whether it was kept; changes nothing.

    Without options it looks at the database and Redis alone, also while everything runs. Exit code 0: nothing is
    violated; 1: something is; 2: it cannot check.
    """
    heads = frozenset(ScriptDirectory(current_app.extensions["migrate"].directory).get_heads())
    progress = _Progress()
    try:
        verdicts = checking.check(Evidence(**evidence), settings(), heads, progress)
    except Unusable as error:
        progress.clear()
        click.echo(str(error), err=True)
        sys.exit(_UNUSABLE)
    progress.clear()
    for line in report.lines(verdicts):
        click.echo(line)
    if any(verdict.outcome is Outcome.VIOLATED for verdict in verdicts):
        sys.exit(_VIOLATED)


class _Progress:
    """One line on the terminal, written over and over; nothing where nobody watches."""

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()

    def __call__(self, what: str, done: int, total: int) -> None:
        """So many of `total` are done."""
        if self._watched:
            of = f" of {total}" if total > done else ""
            click.echo(f"\r\033[K{done}{of} {what}", nl=False, err=True)

    def clear(self) -> None:
        """Leave the line empty for what comes."""
        if self._watched:
            click.echo("\r\033[K", nl=False, err=True)
