"""A cancel at every moment of a reply's life: it ends soon, with what was written, and nothing is asked any more."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx2 as httpx
import pytest

from tests.clients import Access, Posted, Poster, SseReply
from tests.clients.client import NO_TLS
from tests.support.reader import ENDED
from tests.support.stack import PASSWORD, until
from tests.system.conftest import Measure
from tests.system.posting import words
from tests.system.scene import MakeScene, Scene, User

WORDS = 100
SLOW = f"fake-t{WORDS}-r25"
Cancel = Callable[[str], int]

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a cancel comes: after so many words, of a model that behaves like this."""

    words: int
    model: str = SLOW


MID_STREAM = [Moment(number) for number in (1, 2, 10, 50, 85)]
BLOCKED = [Moment(0, f"fake-t{WORDS}-first60000"), Moment(10, f"fake-t{WORDS}-silence-at10")]
BLOCKED += [Moment(10, f"fake-t{WORDS}-pings-at10"), Moment(50, f"fake-t{WORDS}-r0-trickle-at50")]


class Cancelled:
    """One reply that is cancelled, and how long what followed took."""

    def __init__(self, scene: Scene, user: User, model: str = SLOW) -> None:
        self.content = f"number {next(_numbers)}"
        self._scene = scene
        self._user = user
        self.posted: Posted = scene.post(user, self.content, model=f"openai/{model}")
        self.reader = scene.add(SseReply(scene.access(user), scene.transcripts, self.posted.id))
        self.at = self.answered = 0.0

    @property
    def stored(self) -> dict[str, Any]:
        """The reply as it stands."""
        found: dict[str, Any] = self._user.client.get(f"/api/messages/{self.posted.id}").json()
        return found

    @property
    def calls(self) -> set[int]:
        """The requests made for it."""
        return {line["call"] for line in self._requests()}

    @property
    def asked(self) -> list[float]:
        """When they were made."""
        return [line["time"] for line in self._requests()]

    def _requests(self) -> list[dict[str, Any]]:
        lines = self._scene.provider.lines("request")
        return [line for line in lines if line["messages"][-1]["content"] == self.content]

    def closed(self) -> list[dict[str, Any]]:
        """How its requests ended, once all have."""
        calls = self.calls
        found = [line for line in self._scene.provider.lines("closed") if line["call"] in calls]
        return found if len(found) == len(calls) else []

    def reaches(self, number: int) -> None:
        """Wait until a reader has so many words of it, or for its request where that is none."""
        until(lambda: self.calls, 30, "the request")
        self.reader.wait_for(lambda: len(self.reader.text(self.posted.id).split()) >= number, 30)

    def cancel(self, by: Cancel) -> None:
        """Cancel it; the answer must be one of the two that mean yes."""
        self.at = time.time()
        assert by(self.posted.id) in {200, 202}
        self.answered = time.time()

    def ended_after(self) -> float:
        """Seconds from the cancel to its terminal status."""
        until(lambda: self.stored["status"] in ENDED, 20, f"the end of {self.content}")
        return time.time() - self.at

    def closed_after(self) -> float:
        """Seconds from the cancel until its provider saw the connection closed."""
        closed = until(self.closed, 20, f"the provider's end of {self.content}")
        assert {line["by"] for line in closed} == {"client"}
        return float(max(line["time"] for line in closed) - self.at)

    def kept(self, most: int = WORDS) -> str:
        """Its text, which is a beginning of what the model had to say."""
        stored = self.stored
        assert (stored["status"], stored["finish_reason"]) == ("cancelled", "cancelled"), stored
        assert words(most).startswith(stored["content"])
        return str(stored["content"])


def by_key(scene: Scene, user: User) -> Cancel:
    """Cancel with another key of the same user."""
    made = user.client.post("/api/keys", json={"name": "another device"})
    assert made.status_code == 201, made.text
    access = Access(scene.url, made.json()["key"], user.id, scene.stack.redis_url)
    poster = scene.add(Poster(access, scene.transcripts))
    return lambda reply_id: poster.cancel(reply_id).result(15)


def by_session(scene: Scene, user: User, browser: httpx.Client) -> Cancel:
    """Cancel with a cookie, as the page does."""
    email = user.client.get("/api/me").json()["email"]
    signed_in = browser.post("/api/session", json={"email": email, "password": PASSWORD})
    assert signed_in.status_code == 201, signed_in.text
    headers = {"X-CSRFToken": signed_in.json()["csrf_token"], "Origin": scene.url}
    return lambda reply_id: browser.post(f"/api/messages/{reply_id}/cancel", headers=headers).status_code


def by_poster(scene: Scene, user: User) -> Cancel:
    """Cancel as the one who posted."""
    return lambda reply_id: scene.poster(user).cancel(reply_id).result(15)


def ends(reply: Cancelled, measure: Measure) -> None:
    """It ends in time, and so does its call."""
    took, closed = reply.ended_after(), reply.closed_after()
    measure("cancel to the end", took, "s", "≤ 15 s")
    measure("cancel to the provider's connection closed", closed, "s", "≤ 5 s")
    assert took <= 15
    assert closed <= 5


@pytest.mark.chaos
@pytest.mark.timeout(240)
@pytest.mark.fault("F14")
def test_a_cancel_in_the_middle_ends_the_reply_and_its_call_whoever_of_the_user_sends_it(
    make_scene: MakeScene, measure: Measure
) -> None:
    with make_scene() as scene, httpx.Client(base_url=scene.url, verify=NO_TLS) as browser:
        ada = scene.user()
        ways = [by_poster(scene, ada), by_key(scene, ada), by_session(scene, ada, browser)]
        replies = []
        for number, moment in enumerate([*MID_STREAM, *BLOCKED]):
            reply = Cancelled(scene, ada, moment.model)
            reply.reaches(moment.words)
            reply.cancel(ways[number % len(ways)])
            ends(reply, measure)
            assert len(reply.kept().split()) >= moment.words
            replies.append(reply)
        scene.settle(15)
        for reply in replies:
            assert len(reply.calls) == 1
            assert reply.reader.text(reply.posted.id) == reply.kept()


@pytest.mark.chaos
@pytest.mark.fault("F14")
def test_a_cancel_at_the_very_end_wins_or_loses_and_one_after_it_changes_nothing(make_scene: MakeScene) -> None:
    with make_scene() as scene:
        ada = scene.user()
        for late in (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2):
            reply = Cancelled(scene, ada, "fake-t20-r100")
            reply.reaches(20)
            time.sleep(late)  # the sweep itself
            reply.cancel(by_poster(scene, ada))
            reply.ended_after()
            first = reply.stored
            assert words(20).startswith(first["content"])
            assert first["status"] != "completed" or first["content"] == words(20)
            reply.cancel(by_poster(scene, ada))
            assert reply.stored == first
            assert len(reply.calls) == 1
        done = Cancelled(scene, ada, "fake-t20")
        until(lambda: done.stored["status"] == "completed", what="the end")
        before = done.stored
        done.cancel(by_poster(scene, ada))
        assert done.stored == before
        scene.settle(15)


@pytest.mark.chaos
@pytest.mark.fault("F14")
def test_a_cancel_before_the_claim_ends_the_reply_at_once_and_nothing_is_ever_asked(
    make_scene: MakeScene, measure: Measure
) -> None:
    with make_scene(workers=0) as scene:
        ada = scene.user()
        reply = Cancelled(scene, ada)
        reply.cancel(by_poster(scene, ada))
        took = reply.ended_after()
        measure("cancel to the end", took, "s", "≤ 15 s")
        assert took <= 15
        assert reply.kept() == ""
        scene.stack.start_worker()
        after = Cancelled(scene, ada, "fake-t20")
        until(lambda: after.stored["status"] == "completed", 30, "the reply after it")
        scene.settle(15)
        assert reply.calls == set()
        assert reply.kept() == ""


@pytest.mark.chaos
@pytest.mark.fault("F14")
def test_a_cancel_just_after_the_worker_was_killed_ends_the_reply_and_whoever_took_it_over(
    make_scene: MakeScene, measure: Measure
) -> None:
    with make_scene(workers=2) as scene:
        ada = scene.user()
        replies = [Cancelled(scene, ada, f"fake-t{WORDS}-r5") for _ in range(8)]
        for reply in replies:
            reply.reaches(3)
        scene.stack.kill("worker")
        scene.provider.wait_for("closed", seconds=5)  # those of the killed one
        for reply in replies:
            reply.cancel(by_poster(scene, ada))
        for reply in replies:
            took = reply.ended_after()
            measure("cancel to the end, its worker killed", took, "s", "≤ 15 s")
            assert took <= 15
            assert reply.closed_after() <= 5
            assert reply.kept() or reply.stored["attempt"] == 2  # which had no time for a word
        scene.settle(15)
        for reply in replies:  # another worker may have been quicker than the cancel
            assert all(asked <= reply.answered + 5 for asked in reply.asked)


@pytest.mark.chaos
@pytest.mark.fault("F14")
def test_a_cancel_while_redis_is_frozen_ends_the_reply_and_its_call(make_scene: MakeScene, measure: Measure) -> None:
    with make_scene() as scene:
        ada = scene.user()
        replies = [Cancelled(scene, ada), Cancelled(scene, ada, BLOCKED[1].model)]
        for reply in replies:
            reply.reaches(10)
        scene.stack.processes["valkey"].send_signal(signal.SIGSTOP)
        for reply in replies:
            reply.cancel(by_poster(scene, ada))
        for reply in replies:
            took, closed = reply.ended_after(), reply.closed_after()
            measure("cancel to the end, Redis frozen", took, "s", "≤ 15 s")
            measure("cancel to the provider's connection closed, Redis frozen", closed, "s", "≤ 5 s")
            assert took <= 15
            assert closed <= 5
            assert reply.kept()
        scene.stack.processes["valkey"].send_signal(signal.SIGCONT)
        scene.settle(20)
        assert {len(reply.calls) for reply in replies} == {1}
