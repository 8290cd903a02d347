"""Everything a provider can do wrong, at once and in both dialects: what is cut for good is never called complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.clients import Posted, SseReply
from tests.support.stack import until
from tests.system.conftest import Measure
from tests.system.posting import words
from tests.system.scene import MakeScene, Scene, User

THREADS = 8
RETRIES = 2
DIALECTS = ("openai", "anthropic")
WORDS = 20

HEALED = {"429ra2-x1": 1, "500-x2": 2, "529-x2": 2, "error-x1": 1, "rst-x2": 2, "fin-x2": 2, "clean-x1": 1} | {
    "silence-x1": 1,
    "pings-x1": 1,
    "silence-at0-x1": 1,
}  # and how often they fail first
HARMLESS = ("trickle", "nousage", "absurdusage")
REFUSED = ("429ra2", "500", "529", "silence-at0")  # for good, before the first word
TOO_LONG = ("429ra7200",)  # to wait for
CUT = ("error", "rst", "fin", "clean", "silence", "pings")  # for good, after half of the text
TOOLS = ("badtool", "truncatedtool")  # after the whole text


@dataclass(frozen=True, slots=True)
class Case:
    """One reply and how its provider treats it."""

    dialect: str
    fault: str

    @property
    def name(self) -> str:
        """The model's name without its provider."""
        return f"fake-t{WORDS}-r50-{self.fault}"

    def post(self, scene: Scene, user: User) -> Posted:
        """Ask it."""
        return scene.post(user, f"{self.fault} by {self.dialect}", model=f"{self.dialect}/{self.name}")

    def asked(self, scene: Scene) -> list[dict[str, Any]]:
        """The requests that reached its provider."""
        return [line for line in scene.provider.lines("request", self.name) if line["dialect"] == self.dialect]


def cases(*faults: str) -> list[Case]:
    return [Case(dialect, fault) for fault in faults for dialect in DIALECTS]


@pytest.mark.chaos
@pytest.mark.timeout(240)
@pytest.mark.fault("F13")
def test_whatever_a_provider_does_a_cut_reply_is_never_complete_and_a_healed_one_is_whole(
    make_scene: MakeScene,
) -> None:
    limits = {"FIRST_TOKEN_SECONDS": "5", "BETWEEN_TOKENS_SECONDS": "3", "PROVIDER_RETRIES": str(RETRIES)}
    with make_scene(WORKER_THREADS="16", **limits) as scene:
        ada = scene.user()
        posted = {case: case.post(scene, ada) for case in cases(*CUT, *HEALED, *HARMLESS, *REFUSED, *TOO_LONG, *TOOLS)}
        watchers = {
            case: scene.add(SseReply(scene.access(ada), scene.transcripts, reply.id)) for case, reply in posted.items()
        }
        scene.settle(150)
        wrong = []
        for case, reply in posted.items():
            stored = ada.client.get(f"/api/messages/{reply.id}").json()
            asked = case.asked(scene)
            seen = (stored["status"], stored["content"], len(asked))
            if seen not in expected(case, stored["attempt"]) or watchers[case].text(reply.id) != stored["content"]:
                wrong.append((case, seen, stored["error"], stored["attempt"], watchers[case].text(reply.id)))
            if case.fault == "429ra2-x1" and asked[-1]["time"] - asked[0]["time"] < 1.9:
                wrong.append((case, "asked again too early"))
            if case.fault in {"nousage", "absurdusage"} and not believable(stored):
                wrong.append((case, {name: stored[name] for name in stored if "tokens" in name or "usage" in name}))
        assert not wrong, "\n".join(map(str, wrong))


def expected(case: Case, attempt: int) -> list[tuple[str, str, int]]:
    """Status, text and number of requests, as any of these."""
    most = (RETRIES + 1) * attempt
    if case.fault in HEALED:
        return [("completed", words(WORDS), HEALED[case.fault] + 1)]
    if case.fault in HARMLESS:
        return [("completed", words(WORDS), 1)]
    if case.fault in TOO_LONG:
        return [("failed", "", 1)]
    if case.fault in REFUSED:
        return [("failed", "", most)]
    if case.fault in TOOLS:
        return [("failed", words(WORDS), count) for count in range(1, most + 1)]
    return [("failed", words(WORDS // 2), most)]


def believable(stored: dict[str, Any]) -> bool:
    """Usage that was not given, or cannot be, is estimated."""
    return (
        bool(stored["usage_estimated"]) and 0 < stored["prompt_tokens"] < 1_000 and 0 < stored["total_tokens"] < 1_000
    )


@pytest.mark.chaos
@pytest.mark.fault("F13")
def test_waiting_for_a_provider_for_an_hour_holds_no_place_in_the_worker(
    make_scene: MakeScene, measure: Measure
) -> None:
    with make_scene(WORKER_THREADS=str(THREADS)) as scene:
        ada = scene.user()
        waiting = [case.post(scene, ada) for case in cases("429ra3600") for _ in range(THREADS)]
        for reply in waiting:
            until(lambda id_=reply.id: status(ada, id_) == "waiting", what="the wait")
        healthy = Case("openai", "nousage").post(scene, ada)
        took = scene.seconds_until(lambda: status(ada, healthy.id) == "completed", 10, "a reply beside those that wait")
        measure(f"reply beside {len(waiting)} that wait an hour, in {THREADS} places", took, "s", "≤ 10 s")
        assert {status(ada, reply.id) for reply in waiting} == {"waiting"}
        for reply in waiting:
            assert scene.poster(ada).cancel(reply.id).result(15) in {200, 202}
        scene.watch(ada, healthy)
        scene.settle(15)
        assert len(scene.provider.lines("request")) == len(waiting) + 1


def status(user: User, reply_id: str) -> str:
    return str(user.client.get(f"/api/messages/{reply_id}").json()["status"])
