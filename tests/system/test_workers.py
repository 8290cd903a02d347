"""Workers killed, frozen, stopped, absent and starved: what becomes of the replies that they were writing."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.clients import Posted, SseReply
from tests.support.stack import until
from tests.system.conftest import Measure
from tests.system.posting import words
from tests.system.replies import assert_written_once, events, holder, row
from tests.system.scene import MakeScene, Scene, User
from tests.system.staging import armed


def streaming(scene: Scene, user: User, model: str, count: int) -> tuple[list[Posted], list[SseReply]]:
    """So many replies in threads of their own, and their readers, each of which has seen some text."""
    posted = [scene.post(user, f"number {number}", model=f"openai/{model}") for number in range(count)]
    readers = [scene.watch(user, one).sse for one in posted]
    for reader in readers:
        reader.wait_for(lambda reader=reader: reader.tokens, 30)
    return posted, readers


def seconds_to_the_next_attempt(reader: SseReply, posted: Posted, began: float) -> float:
    """From the moment `began` until the reader had text of a second attempt."""
    reply = reader.reader.replies[posted.id]
    reader.wait_for(lambda: reply.attempt > 1 and reply.text, 30)
    return time.monotonic() - began


def kill_its_worker(scene: Scene, posted: Posted, reader: SseReply, measure: Measure) -> str:
    """Kill it, and see another go on; returns the name of the one that died."""
    name, began = holder(scene, posted), time.monotonic()
    scene.stack.kill(name)
    seconds = seconds_to_the_next_attempt(reader, posted, began)
    measure("kill -9 of a worker to the next token, seen by SSE", seconds, "s", "median ≤ 8 s, worst ≤ 15 s")
    assert seconds < 15
    assert "message.reset" in reader.reader.types[1:]
    return name


@pytest.mark.fault("F01")
def test_another_worker_goes_on_when_one_is_killed_in_mid_stream(make_scene: MakeScene, measure: Measure) -> None:
    with make_scene(workers=2) as scene:
        [posted], [reader] = streaming(scene, scene.user(), "fake-t60-r20", 1)
        kill_its_worker(scene, posted, reader, measure)
        scene.settle()
        assert_written_once(scene, posted, words(60))
        assert reader.text(posted.id) == words(60)
        assert row(scene, posted).outcomes == ["crashed", "completed"]


@pytest.mark.fault("F01")
@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_another_worker_goes_on_after_each_of_twenty_kills(make_scene: MakeScene, measure: Measure) -> None:
    with make_scene(workers=2) as scene:
        ada = scene.user()
        for _ in range(20):
            posted, readers = streaming(scene, ada, "fake-t120-r20", 3)
            name = kill_its_worker(scene, posted[0], readers[0], measure)
            scene.stack.start_worker(name)
            scene.settle(60)  # a reply that meets three kills fails, and rightly so
        for id_ in scene.posted:
            stored = ada.client.get(f"/api/messages/{id_}").json()
            assert (stored["status"], stored["content"]) == ("completed", words(120))


@pytest.mark.fault("F02")
@pytest.mark.chaos
@pytest.mark.parametrize(
    ("point", "attempts"),
    [
        ("called", 2),
        ("claimed", 2),
        ("gathered", 2),
        ("chunk", 2),
        ("checkpointed", 2),
        ("finishing", 2),
        ("finished", 1),
        ("announced", 1),
    ],
)
def test_a_worker_killed_at(point: str, attempts: int, make_scene: MakeScene) -> None:
    """Replies are posted until the doomed one of two workers has got one."""
    with make_scene(CHECKPOINT_SECONDS="0.3") as scene:
        with armed(scene.stack, f"{point}:kill"):
            scene.stack.start_worker("doomed")
        doomed, ada, posted = scene.stack.processes.pop("doomed"), scene.user(), []
        try:
            while doomed.poll() is None:
                assert len(posted) < 20, "the doomed worker was never chosen"
                posted.append(scene.post(ada, "hello", model="openai/fake-t20-r20"))
                scene.watch(ada, posted[-1])
                until(lambda: doomed.poll() is not None or row(scene, posted[-1]).status == "completed", 30, "an end")
        finally:
            doomed.kill()
            doomed.wait(10)
        scene.settle()
        for one in posted:
            assert_written_once(scene, one, words(20))
        found = [row(scene, one) for one in posted]
        assert max(one.attempt for one in found) == attempts
        assert sum(one.crashes for one in found) == attempts - 1


def assert_the_frozen_one_wrote_nothing(scene: Scene, posted: Posted, name: str) -> None:
    """It was woken and has noticed; log and row are as the other worker wrote them."""
    until(lambda: b"lease lapsed" in scene.stack.log(name).read_bytes(), 30, "the woken worker's notice")
    scene.settle()
    assert_written_once(scene, posted, words(80))
    found = row(scene, posted)
    assert (found.attempt, found.crashes, found.outcomes) == (2, 1, ["crashed", "completed"])


@pytest.mark.fault("F03")
def test_a_worker_that_was_frozen_past_its_lease_writes_nothing(make_scene: MakeScene) -> None:
    with make_scene(workers=2, LEASE_SECONDS="2", HEARTBEAT_SECONDS="0.5") as scene:
        [posted], [reader] = streaming(scene, scene.user(), "fake-t80-r20", 1)
        name = holder(scene, posted)
        scene.stack.processes[name].send_signal(signal.SIGSTOP)
        seconds_to_the_next_attempt(reader, posted, time.monotonic())
        scene.stack.processes[name].send_signal(signal.SIGCONT)
        assert_the_frozen_one_wrote_nothing(scene, posted, name)


@pytest.mark.fault("F03")
@pytest.mark.chaos
def test_nor_does_one_that_wakes_when_all_is_over(make_scene: MakeScene) -> None:
    with make_scene(workers=2, LEASE_SECONDS="2", HEARTBEAT_SECONDS="0.5") as scene:
        [posted], _ = streaming(scene, scene.user(), "fake-t80-r20", 1)
        name = holder(scene, posted)
        scene.stack.processes[name].send_signal(signal.SIGSTOP)
        scene.settle()
        before = row(scene, posted), events(scene, posted)
        scene.stack.processes[name].send_signal(signal.SIGCONT)
        assert_the_frozen_one_wrote_nothing(scene, posted, name)
        assert (row(scene, posted), events(scene, posted)) == before


@pytest.mark.fault("F04")
@pytest.mark.chaos
@pytest.mark.parametrize("seconds", [3, pytest.param(120, marks=pytest.mark.timeout(400))])
def test_without_a_worker_messages_are_accepted_and_wait(seconds: int, make_scene: MakeScene) -> None:
    with make_scene(workers=0) as scene:
        ada = scene.user()
        posted = [scene.post(ada, f"number {number}") for number in range(3)]
        watchers = [scene.watch(ada, one).sse for one in posted]
        back = time.monotonic() + seconds
        while time.monotonic() < back:
            assert {ada.client.get(f"/api/messages/{one.id}").json()["status"] for one in posted} == {"pending"}
            time.sleep(0.25)
        assert {reader.status(one.id) for reader, one in zip(watchers, posted, strict=True)} == {"pending"}
        scene.stack.start_worker()
        scene.settle()
        for one in posted:
            assert_written_once(scene, one, words(20))
        assert len(scene.provider.lines("request")) == 3


def stop_gently(scene: Scene, name: str, posted: list[Posted], measure: Measure) -> None:
    """SIGTERM; all that it held is handed over, in less than five seconds."""
    pid, began = scene.stack.processes[name].pid, time.monotonic()
    held = [one for one in posted if row(scene, one).pid == pid]
    assert held, f"{name} had nothing to hand over"
    stopping = threading.Thread(target=scene.stack.kill, args=[name, signal.SIGTERM])
    stopping.start()
    until(lambda: not [one for one in held if row(scene, one).pid == pid], what="the hand-over")
    seconds = time.monotonic() - began
    measure("SIGTERM to hand-over", seconds, "s", "≤ 5 s")
    assert seconds < 5
    stopping.join()


@pytest.mark.fault("F06")
@pytest.mark.chaos
@pytest.mark.parametrize("names", [["worker"], ["worker", "worker2"]])
def test_workers_restarted_one_after_the_other_hand_their_replies_over(
    names: list[str], make_scene: MakeScene, measure: Measure
) -> None:
    with make_scene(workers=2) as scene:
        ada, written = scene.user(), []
        for name in names:
            posted, readers = streaming(scene, ada, "fake-t80-r20", 4)
            stop_gently(scene, name, posted, measure)
            scene.stack.start_worker(name)
            written += zip(posted, readers, strict=True)
        scene.settle()
        for one, reader in written:
            assert_written_once(scene, one, words(80))
            assert reader.text(one.id) == words(80)
            found = row(scene, one)
            assert found.crashes == 0
            assert set(found.outcomes) <= {"handed_over", "completed"}


def text_of_attempt(reader: SseReply, posted: Posted, number: int) -> str:
    """What the reader has of that attempt, and of no other."""
    reply = reader.reader.replies.get(posted.id)
    return reply.text if reply is not None and reply.attempt == number else ""


@pytest.mark.fault("F06")
@pytest.mark.parametrize("times", [1, pytest.param(20, marks=[pytest.mark.chaos, pytest.mark.timeout(300)])])
def test_a_reply_in_a_process_of_its_own_is_handed_over_whatever_that_is_doing(
    times: int, make_scene: MakeScene, measure: Measure
) -> None:
    with make_scene(workers=0) as scene:
        posted = scene.post(scene.user(), "hello", model="openai/fake-t60000-r2000")
        reader = scene.watch(scene.posted[posted.id], posted).sse
        for attempt in range(1, times + 1):
            scene.stack.start("alone", "-m", "workers.alone", posted.body["reply"]["job_id"])
            reader.wait_for(lambda number=attempt: text_of_attempt(reader, posted, number), 30)
            for _ in range(500):  # a killed worker sends many: one for each of its threads that dies
                scene.stack.processes["alone"].send_signal(signal.SIGTERM)
            seconds = scene.stack.kill("alone", signal.SIGTERM)
            measure("SIGTERM to the end of a process of one reply", seconds, "s", "≤ 5 s")
            assert seconds < 5
        assert row(scene, posted)[:5] == ("pending", times, 0, 0, None)
        assert set(row(scene, posted).outcomes) == {"handed_over"}
        assert scene.poster(scene.posted[posted.id]).cancel(posted.id).result(15) in {200, 202}
        scene.settle()


@pytest.mark.fault("F22")
@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_all_workers_dead_for_a_minute_and_then_two_only_delay(make_scene: MakeScene) -> None:
    """A minute instead of five: leases lapse in seconds, and nothing else is timed by a worker's absence."""
    with make_scene(workers=2) as scene:
        ada = scene.user()
        running, _ = streaming(scene, ada, "fake-t100-r20", 4)
        for name in ("worker", "worker2"):
            scene.stack.kill(name)
        waiting = [scene.post(ada, f"meanwhile {number}", model="openai/fake-t100-r20") for number in range(4)]
        for one in waiting:
            scene.watch(ada, one)
        time.sleep(60)
        starting = [threading.Thread(target=scene.stack.start_worker, args=[name]) for name in ("worker", "worker2")]
        for thread in starting:
            thread.start()
        for thread in starting:
            thread.join()
        scene.settle()
        for one in [*running, *waiting]:
            assert_written_once(scene, one, words(100))
        assert [row(scene, one).outcomes for one in waiting] == [["completed"]] * 4
        assert [row(scene, one).outcomes for one in running] == [["crashed", "completed"]] * 4
        assert len(scene.provider.lines("request")) == 2 * len(running) + len(waiting)


@pytest.mark.fault("F03")
@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_busy_processors_are_not_taken_for_dead_workers(make_scene: MakeScene) -> None:
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        with make_scene(workers=2) as scene:
            posted, _ = streaming(scene, scene.user(), "fake-t600-r10", 8)
            scene.settle(150)
            assert {row(scene, one)[:3] for one in posted} == {("completed", 1, 0)}
    finally:
        for process in burning:
            process.kill()
            process.wait(10)
