"""The faults that a copy must survive, what is promised for each, and which are not there to be met yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens, and what is promised beyond the invariants. `missing` names what it waits for."""

    what: str
    promise: str
    missing: str = ""


FAULTS = {
    "F01": Fault(
        "worker killed in mid-stream", "another streams again within 15 s; readers see a reset, then the text"
    ),
    "F02": Fault(
        "worker killed at every critical point, also around a tool call",
        "the same, for each point; a tool that may not be repeated runs at most once",
    ),
    "F03": Fault("worker frozen past its lease, then woken", "the old attempt writes nothing"),
    "F04": Fault("no worker for two minutes", "accepted, shown as pending, done when one returns"),
    "F05": Fault("a reply that kills every worker", "it fails after 3 crashes; its neighbours complete"),
    "F06": Fault("rolling restart", "handed over in 5 s without a crash; streams reconnect by themselves"),
    "F07": Fault("Redis killed and restarted empty in mid-stream", "replies go on, readers heal, posts answer 202"),
    "F08": Fault("Redis frozen, slow, read-only, full", "a post takes less than 3 s; no web worker is stuck"),
    "F09": Fault("pub/sub cut again and again", "readers end with the stored text, in order"),
    "F10": Fault("log trimmed or deleted under readers", "a snapshot, no gap"),
    "F11": Fault("a wake-up delivered 50 times, late, never", "one provider call; started within 15 s"),
    "F12": Fault("database cut, locked for 20 s, restarted", "commits of unknown outcome resolved, no double effect"),
    "F13": Fault(
        "provider refuses, breaks off, stalls, lies", "never completed when cut; no slot held by a wait; calls bounded"
    ),
    "F14": Fault("cancel at every moment", "no call starts after 5 s; ended within 15 s with the partial text"),
    "F15": Fault("double click, two tabs, a lost response", "one message"),
    "F16": Fault("wait across a restart of everything", "fires once, on time within 5 s"),
    "F17": Fault("input answered twice, late, by another", "one winner; 409, 410, 404 to the others"),
    "F18": Fault("reader cut after every byte, cursors malformed or foreign", "the right suffix or a snapshot"),
    "F19": Fault("slow or dead readers, 500 at once", "others unaffected; memory bounded"),
    "F20": Fault("50 parallel posts with credit for one", "one accepted", missing="credits"),
    "F21": Fault("disk full", "503, nothing corrupt, recovers"),
    "F22": Fault("every worker dead for 5 minutes, then two", "only delayed; no double effect"),
}
