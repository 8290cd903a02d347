"""Everything on Redis but the logs' entries: what expires, what waits on the broker, what stands in any other key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from redis import Redis

from app.check.secrets import Needles
from app.check.verdict import Invariant, Ledger
from app.ids import parse_id
from app.jobs.queue import MAINTENANCE, REPLIES
from app.redis_client import quick
from app.stream.log import Keys

_SECONDS = 5.0
_PAGE = 1000
_MOST_CHARS = 1_000_000
_OF_THREADS = Keys("").channel.removesuffix("}")
_NO_EXPIRY = -1


def connect(url: str) -> Redis:
    """A patient client that can read whatever anybody has put there."""
    client: Redis = Redis.from_url(url, decode_responses=True, encoding_errors="replace", **quick(_SECONDS))
    return client


def check(client: Redis, ledger: Ledger, needles: Needles) -> None:
    """G11: what belongs to threads expires. G12: no secrets, and tasks are told only of jobs. Raises RedisError."""
    ledger.examined(Invariant.G12, "keys", 0)
    queues, of_threads = {REPLIES: 0, MAINTENANCE: 0}, 0
    for key in client.scan_iter(count=_PAGE):
        if key.startswith(_OF_THREADS):
            of_threads += 1
            if client.ttl(key) == _NO_EXPIRY:
                ledger.violated(Invariant.G11, key, "never expires")
            continue
        ledger.examined(Invariant.G12, "keys")
        for what in _wrong(client, key, needles, queues):
            ledger.violated(Invariant.G12, _shown(key, needles), what)
    waiting = ", ".join(f"{count} in {queue}" for queue, count in sorted(queues.items()))
    ledger.note(Invariant.G11, f"{of_threads} keys of threads; wake-ups waiting: {waiting}")


def _wrong(client: Redis, key: str, needles: Needles, queues: dict[str, int]) -> Iterator[str]:
    for name in needles.in_text(key):
        yield f"is named after {name}"
    kind: Any = client.type(key)
    read = _READERS.get(kind)
    for value in read(client, key) if read is not None else ():
        task = _task(value) if kind == "list" else None
        if task is not None:
            queues[key] = queues.get(key, 0) + 1
        if task is not None and not _only_a_job(task):
            yield "holds a task that is told more than a job's id"
        for name in needles.in_text(value if task is None else f"{value} {json.dumps(task, ensure_ascii=False)}"):
            yield f"holds {name}"


def _shown(key: str, needles: Needles) -> str:
    """The key's name, unless that is the secret."""
    return "a key" if any(needles.in_text(key)) else key


def _task(value: str) -> Any:
    """What a task's message says it is called with; None for what is none."""
    try:
        message = json.loads(value)
        body = message["body"]
        return json.loads(base64.b64decode(body) if message["properties"].get("body_encoding") == "base64" else body)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None


def _only_a_job(task: Any) -> bool:
    match task:
        case [[], {**named}, *_] if not named:
            return True
        case [[str(job_id)], {**named}, *_] if not named:
            return parse_id(job_id) is not None
    return False


def _strings(client: Redis, key: str) -> Iterator[str]:
    found: Any = client.getrange(key, 0, _MOST_CHARS)
    yield found


def _list(client: Redis, key: str) -> Iterator[str]:
    start = 0
    while True:
        page: Any = client.lrange(key, start, start + _PAGE - 1)
        if not page:
            return
        yield from page
        start += len(page)


def _stream(client: Redis, key: str) -> Iterator[str]:
    entries: Any = client.xrevrange(key, count=_PAGE)
    yield from (value for _, fields in entries for value in chain(fields.keys(), fields.values()))


_READERS: dict[str, Callable[[Redis, str], Iterator[str]]] = {
    "string": _strings,
    "list": _list,
    "hash": lambda client, key: chain.from_iterable(client.hscan_iter(key, count=_PAGE)),
    "set": lambda client, key: client.sscan_iter(key, count=_PAGE),
    "zset": lambda client, key: (member for member, _ in client.zscan_iter(key, count=_PAGE)),
    "stream": _stream,
}
