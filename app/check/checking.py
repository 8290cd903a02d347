"""The whole check, from evidence to verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from app.check import (
    database,
    json_lines,
    posts,
    provider_calls,
    readers,
    redis_keys,
    resources,
    row_checks,
    scores,
    secrets,
    testimony,
    thread_logs,
    tool_rules,
    tool_runs,
)
from app.check.applied import Applied
from app.check.database import Moment
from app.check.rows import Progress
from app.check.secrets import Needles
from app.check.verdict import Invariant, Ledger, Verdict
from app.check.witnesses import Witnesses
from app.config import Settings

_BY_LOGS = (Invariant.G2, Invariant.G3, Invariant.G4, Invariant.G5)
_BY_READERS = (Invariant.G2, Invariant.G4, Invariant.G5, Invariant.G10)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to look at besides the installation itself. `faults_ended`: seconds since the epoch."""

    transcripts: Path | None = None
    provider: tuple[Path, ...] = ()
    tools: tuple[Path, ...] = ()
    logs: Path | None = None
    resources: Path | None = None
    canaries: tuple[str, ...] = ()
    faults_ended: float | None = None


def check(evidence: Evidence, settings: Settings, heads: frozenset[str], progress: Progress) -> list[Verdict]:
    """A verdict on every invariant; changes nothing. `heads`: the newest migrations this code knows.

    Raises Unusable when the database cannot be read or a file is not what it should be.
    """
    database.require(heads)
    with database.readable(), redis_keys.connect(settings.redis_url) as client:
        return _Check(evidence, settings, client, progress).verdicts()


class _Check:
    """One run. The order matters: what clients and logs say is read before the rows, which may only be further."""

    def __init__(self, evidence: Evidence, settings: Settings, client: Redis, progress: Progress) -> None:
        self._evidence = evidence
        self._settings = settings
        self._client = client
        self._progress = progress
        self._ledger = Ledger()
        self._witnesses = Witnesses()
        self._has_redis = _answers(client)

    def verdicts(self) -> list[Verdict]:
        """Each kind of evidence in turn."""
        ledger = self._ledger
        ledger.not_applicable(Invariant.G6, "no credits yet")
        ledger.note(Invariant.G10, "no shares yet")
        ledger.note(Invariant.G11, database.workers())
        row_checks.expect(ledger)
        at = self._moment()
        self._read_transcripts()
        self._read_logs_on_redis(at)
        if self._evidence.transcripts is not None:
            testimony.check(ledger, self._witnesses)
            posts.check(ledger, self._witnesses)
        row_checks.check(ledger, self._moment(), self._progress)
        scores.check(ledger, self._progress)
        tool_rules.check(ledger, self._moment(), self._progress)
        self._read_tools()
        self._read_provider()
        self._read_resources()
        self._look_for_secrets()
        return ledger.verdicts()

    def _moment(self) -> Moment:
        evidence, threads = self._evidence, self._settings.worker_threads
        return database.moment(evidence.faults_ended, threads, has_redis=self._has_redis)

    def _read_transcripts(self) -> None:
        if self._evidence.transcripts is None:
            self._ledger.missing("--transcripts", Invariant.G1, *_BY_READERS)
            return
        paths = json_lines.files(self._evidence.transcripts, "*.jsonl")
        for number, path in enumerate(paths, 1):
            readers.check(self._ledger, path, self._witnesses)
            self._progress("transcripts", number, len(paths))

    def _read_logs_on_redis(self, at: Moment) -> None:
        def told(_: str, message_id: str, reply: Applied) -> None:
            testimony.told_by_log(self._witnesses, message_id, reply)

        self._with_redis(lambda: thread_logs.check(self._client, self._ledger, at, told, self._progress), *_BY_LOGS)

    def _read_provider(self) -> None:
        if not self._evidence.provider:
            self._ledger.missing("--provider", Invariant.G3, Invariant.G8)
            return
        calls = provider_calls.read(self._evidence.provider)
        retries = self._settings.provider_retries
        provider_calls.check(self._ledger, self._moment(), calls, retries, self._progress)

    def _read_tools(self) -> None:
        if not self._evidence.tools:
            self._ledger.missing("--tools", Invariant.G7)
        else:
            tool_runs.check(self._ledger, self._moment(), tool_runs.read(self._evidence.tools))

    def _read_resources(self) -> None:
        if self._evidence.resources is None:
            self._ledger.missing("--resources", Invariant.G11)
        else:
            resources.check(self._ledger, resources.read(self._evidence.resources))

    def _look_for_secrets(self) -> None:
        contents = (post.content for _, post in self._witnesses.posts() if post.content is not None)
        needles = Needles.of(self._settings, self._evidence.canaries, contents)
        if self._evidence.logs is None:
            self._ledger.missing("--logs", Invariant.G12)
        else:
            secrets.check_logs(self._ledger, self._evidence.logs, needles, self._progress)
        keys = (Invariant.G11, Invariant.G12)
        self._with_redis(lambda: redis_keys.check(self._client, self._ledger, needles), *keys)

    def _with_redis(self, look: Callable[[], None], *invariants: Invariant) -> None:
        """Look at Redis; it may be away, or go away meanwhile, which breaks no promise."""
        try:
            if not self._has_redis:
                raise RedisError
            look()
        except RedisError:
            self._ledger.missing("Redis, which does not answer", *invariants)


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
