"""Readers that are cut at every byte, resume with nonsense, never read, or come all at once."""

from __future__ import annotations

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count

import psutil
import pytest

from tests.clients import Access, Posted, SseReply
from tests.support.reader import TERMINAL, Reader
from tests.support.stack import until
from tests.system.conftest import Measure
from tests.system.posting import words
from tests.system.raw_streams import Raw, Streams, apply, finished, has_ended, is_over, stored, streams
from tests.system.scene import MakeScene, Scene

SECRET = "canaryofanotherthread"
CURSORS = [
    "abc",
    "0-0",
    "-",
    "-1",
    "-5-5",
    "5-",
    "1-1-1",
    "+",
    "$",
    "*",
    "(0-0",
    "1.5-0",
    "0x10-0",
    "\u0661-\u0661",
    "é",
    " ",
]
CURSORS += ["9" * 3_000, "9" * 19 + "-0", "18446744073709551615-18446744073709551615", "99999999999999-0", "None"]
CURSORS += ["\x00", "\x01\x02", "1-0\r\nX-Injected: 1", "1-0\n\ndata: {}", "\x7f", "\ud7ff", "0-0\x00"]


def cut_at(streams: Streams, path: str, after: str | None, most: int, reply: Posted) -> Reader:
    """Cut after so many bytes, and resume after the last event that was complete."""
    reader = Reader()
    first = streams.read(path, after, most=most)
    assert first.status in {0, 200}
    cursor = apply(reader, first) or after
    if not has_ended(first.events):
        rest = streams.read(path, cursor, enough=has_ended)
        assert rest.status == 200
        apply(reader, rest)
    assert reader.gaps == 0
    assert reader.ordered
    assert reader.replies[reply.id].last is not None
    return reader


def sweep(make_scene: MakeScene, step: int) -> int:
    """Cut the streams of an ended reply after every `step` bytes; how many cuts that were."""
    with make_scene() as scene:
        ada = scene.user()
        reply = finished(scene, ada)
        raw, text = streams(scene, ada), stored(ada, reply)["content"]
        assert text == words(20)
        by_thread = f"/api/threads/{reply.thread_id}/events"
        with scene.stack.redis() as redis:
            first = redis.xrange(f"thread:{{{reply.thread_id}}}:events", count=1)[0][0]
        cuts = []
        for path, after in ((f"/api/messages/{reply.id}/events", None), (by_thread, first)):
            length = len(raw.read(path, after, enough=has_ended).content)
            cuts += [(path, after, most) for most in range(1, length + 1, step)]
        with ThreadPoolExecutor(4) as pool:
            readers = list(pool.map(lambda cut: cut_at(raw, *cut, reply), cuts))
        wrong = [cut for cut, reader in zip(cuts, readers, strict=True) if reader.replies[reply.id].whole != text]
        assert not wrong
        assert all(reader.replies[reply.id].text in {"", text} for reader in readers)
        return len(cuts)


@pytest.mark.fault("F18")
def test_a_reader_of_an_ended_reply_cut_after_some_bytes_ends_with_its_text(make_scene: MakeScene) -> None:
    assert sweep(make_scene, step=97) > 20


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.fault("F18")
def test_a_reader_of_an_ended_reply_cut_after_every_byte_ends_with_its_text(
    make_scene: MakeScene, measure: Measure
) -> None:
    measure("readers cut at different bytes", sweep(make_scene, step=1), "cuts", "all end with the text")


@pytest.mark.chaos
@pytest.mark.fault("F18")
def test_readers_of_a_running_reply_cut_again_and_again_end_with_its_text(make_scene: MakeScene) -> None:
    with make_scene() as scene:
        ada = scene.user()
        reply = scene.post(ada, "hello", model="openai/fake-t300-r30")
        scene.watch(ada, reply)
        raw = streams(scene, ada)
        paths = (f"/api/messages/{reply.id}/events", f"/api/threads/{reply.thread_id}/events")

        def live(path: str, step: int) -> tuple[Reader, int]:
            reader, cursor = Reader(), None
            for number in count(1):
                part = raw.read(path, cursor, most=number * step, enough=lambda events: is_over(events, reply))
                assert part.status in {0, 200}
                cursor = apply(reader, part) or cursor
                if is_over(part.events, reply):
                    return reader, number
            raise AssertionError

        with ThreadPoolExecutor(8) as pool:
            lives = list(pool.map(live, paths * 4, (17, 23, 41, 67, 97, 131, 197, 251)))
        scene.settle(30)
        text = stored(ada, reply)["content"]
        assert text == words(300)
        for reader, cuts in lives:
            assert cuts > 5
            assert reader.gaps == 0
            assert reader.ordered
            assert reader.replies[reply.id].whole == text
            assert text.startswith(reader.replies[reply.id].text)


@pytest.mark.chaos
@pytest.mark.timeout(240)
@pytest.mark.fault("F18")
def test_no_cursor_however_strange_shows_another_thread_or_breaks_anything(make_scene: MakeScene) -> None:
    with make_scene() as scene:
        ada, bob = scene.user(), scene.user()
        ended = finished(scene, ada)
        running = scene.post(ada, "at length", model="openai/fake-t2000-r20")
        others = [finished(scene, user, f"!delay 0\n{SECRET}", "scripted/echo") for user in (ada, bob)]
        foreign = []
        with scene.stack.redis() as redis:
            for other in others:
                foreign += [id_ for id_, _ in redis.xrange(f"thread:{{{other.thread_id}}}:events")]
            for own in (ended, running):  # an equal one of its own, of the same millisecond, is none of another's
                foreign = [id_ for id_ in foreign if not redis.xrange(f"thread:{{{own.thread_id}}}:events", id_, id_)]
        until(lambda: stored(ada, running)["content"], what="the first words")
        raw = streams(scene, ada)
        asked = [(cursor, header) for cursor in [*CURSORS, *foreign] for header in (True, False)]
        asked = [(cursor, header) for cursor, header in asked if not (header and "\n" in cursor)]
        for reply, most in ((ended, words(20)), (running, words(2_000))):
            for path in (f"/api/messages/{reply.id}/events", f"/api/threads/{reply.thread_id}/events"):
                for cursor, header in asked:
                    got = raw.read(path, cursor, header=header, enough=bool)
                    what = (path, cursor[:40], header, got.content[:400])
                    assert got.status == 200 or (got.status == 400 and header), what
                    if got.status == 200:
                        fits(got, reply, most, what)
        scene.poster(ada).cancel(running.id).result(15)
        scene.watch(ada, running)
        scene.settle(20)


def fits(got: Raw, reply: Posted, most: str, what: object) -> None:
    """A snapshot of this thread, whole as far as it goes."""
    assert SECRET.encode() not in got.content, what
    assert b"X-Injected" not in got.content, what
    event, _ = got.events[0]
    assert event["type"] in TERMINAL | {"message.reset", "thread.snapshot"}, what
    assert event.get("thread_id", event.get("thread", {}).get("id")) == reply.thread_id, what
    reader = Reader()
    reader.apply(event, None)
    assert list(reader.replies) == [reply.id], what
    known = reader.replies[reply.id].whole
    assert known, what
    assert most.startswith(known), what


def memory_mb(scene: Scene) -> float:
    """Resident memory of the web process and its children."""
    parent = psutil.Process(scene.stack.processes["web"].pid)
    return sum(one.memory_info().rss for one in (parent, *parent.children(recursive=True))) / 1e6


def silent(port: int, request: bytes) -> socket.socket:
    """A connection that asked and will never read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", port))
    sock.sendall(request)
    return sock


@pytest.mark.chaos
@pytest.mark.timeout(180)
@pytest.mark.fault("F19")
def test_slow_and_dead_readers_disturb_nobody_and_cost_little_memory(make_scene: MakeScene, measure: Measure) -> None:
    with make_scene(proxied={"web"}) as scene, ExitStack() as open_ones:
        ada = scene.user()
        reply = scene.post(ada, "hello", model="openai/fake-t6000-r400")
        direct = Access(scene.stack.url, ada.key, ada.id, scene.stack.redis_url)
        good = [scene.add(SseReply(direct, scene.transcripts, reply.id)) for _ in range(3)]
        good[0].wait_for(lambda: good[0].tokens, 30)
        before = memory_mb(scene)
        request = streams(scene, ada).request(f"/api/messages/{reply.id}/events")
        for port in (scene.stack.port, scene.proxies["web"].port):
            for _ in range(20):
                open_ones.enter_context(silent(port, request))
        until(lambda: scene.proxies["web"].open >= 20, what="the dead readers' connections")
        scene.proxies["web"].blackhole()
        peaks = [before]

        def ended() -> bool:
            peaks.append(memory_mb(scene))
            return all(client.ended for client in good)

        until(ended, 60, "the others' end")
        last = max(client.tokens[-1] for client in good) - scene.provider.lines("closed")[0]["time"]
        measure("web's memory with 20 slow and 20 dead readers, more", max(peaks) - before, "MB", "≤ 64 MB")
        measure("last words beside slow readers, after the provider's", last, "s", "≤ 5 s")
        assert {client.text(reply.id) for client in good} == {words(6_000)}
        assert max(peaks) - before <= 64
        assert last <= 5
        scene.proxies["web"].heal()
        scene.settle(30)


async def first_event(streams: Streams, path: str, after: str | None) -> tuple[float, Raw]:
    """Seconds until the first event of a new connection, and what it was."""
    began, raw = time.monotonic(), Raw()
    reader, writer = await asyncio.open_connection("127.0.0.1", streams.port)
    try:
        writer.write(streams.request(path, after))
        while not raw.events:
            chunk = await reader.read(65_536)
            assert chunk, raw.content
            raw.add(chunk)
    finally:
        writer.close()
    return time.monotonic() - began, raw


@pytest.mark.chaos
@pytest.mark.timeout(180)
@pytest.mark.fault("F19")
def test_five_hundred_readers_that_come_back_at_once_are_all_served(make_scene: MakeScene, measure: Measure) -> None:
    async def crowd(raw: Streams, path: str, after: list[str | None]) -> list[tuple[float, Raw]]:
        async with asyncio.timeout(60):
            return await asyncio.gather(*(first_event(raw, path, cursor) for cursor in after))

    with make_scene() as scene:
        ada = scene.user()
        reply = scene.post(ada, "hello", model="openai/fake-t3000-r30")
        watcher = scene.watch(ada, reply).sse
        watcher.wait_for(lambda: watcher.tokens, 30)
        raw, path, cursors = streams(scene, ada), f"/api/messages/{reply.id}/events", [None] * 500
        for again in ("that come", "that come back"):
            served = asyncio.run(crowd(raw, path, cursors))
            assert {one.status for _, one in served} == {200}
            assert {one.events[0][0]["message_id"] for _, one in served} == {reply.id}
            measure(f"slowest first event of 500 readers {again} at once", max(s for s, _ in served), "s", "≤ 15 s")
            assert max(seconds for seconds, _ in served) <= 15
            cursors = [one.events[-1][1] for _, one in served]
        scene.poster(ada).cancel(reply.id).result(15)
        scene.settle(20)
