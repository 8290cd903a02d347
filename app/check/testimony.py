"""What the clients saw, against the logs and the rows: one end, the stored text, and their own threads only."""

from __future__ import annotations

from collections.abc import Iterator

from app.check import stored
from app.check.applied import Applied
from app.check.stored import Stored
from app.check.transcripts import End, Line
from app.check.verdict import Invariant, Ledger
from app.check.witnesses import Sighting, Witnesses
from app.models import TERMINAL

# A reader without Redis hears of an end within two seconds.
_HEARD_SECONDS = 10.0
_ENDED = {status.value for status in TERMINAL}


def told_by_log(witnesses: Witnesses, message_id: str, reply: Applied) -> None:
    """Keep what the log has of a reply that a client saw, and that it was taken back."""
    if reply.ended is not None and not reply.attempt:
        witnesses.saw_unbegun(message_id, reply.parent_id)
    if message_id in witnesses.texts:
        for attempt, text in reply.texts():
            witnesses.produced[message_id, attempt].add(text)


def check(ledger: Ledger, witnesses: Witnesses) -> None:
    """G2, G3, G4 and G10, once all files and logs are read."""
    ids = {message_id for _, _, message_id in witnesses.shown if message_id is not None}
    ended = {message_id for _, end in witnesses.ends for message_id in end.texts.keys() | end.statuses.keys()}
    rows = stored.load(ids | ended | witnesses.texts.keys() | witnesses.endings.keys())
    _endings(ledger, witnesses, rows)
    for message_id, sightings in witnesses.texts.items():
        if (row := rows.get(message_id)) is not None and row.job_id is not None:
            for sighting in sightings:
                _text(ledger, witnesses, row, sighting)
    for line, end in witnesses.ends:
        _end(ledger, rows, line, end)
    _owners(ledger, witnesses, rows)


def _endings(ledger: Ledger, witnesses: Witnesses, rows: dict[str, Stored]) -> None:
    for message_id, endings in witnesses.endings.items():
        ledger.examined(Invariant.G2, "ends that clients saw")
        [first, *others] = endings
        for other in others:
            what = f"to clients it {first.unlike(other)} ({endings[first]}, {endings[other]})"
            ledger.violated(Invariant.G2, message_id, what)
        row = rows.get(message_id)
        if row is None:
            continue
        if row.ending is None:
            ledger.violated(Invariant.G2, message_id, f"is {row.status}, but {endings[first]} saw it {first.status}")
        elif row.ending not in endings:
            ledger.violated(Invariant.G2, message_id, f"{row.ending.unlike(first)} ({endings[first]})")


def _text(ledger: Ledger, witnesses: Witnesses, row: Stored, seen: Sighting) -> None:
    """A text is the beginning of what its attempt wrote, in one of its tries; at the end, of what is stored."""
    ledger.examined(Invariant.G4, "texts that clients saw")
    if seen.attempt > (row.attempt or 0):
        ledger.violated(Invariant.G3, str(row.id), f"{seen.place} saw attempt {seen.attempt} of {row.attempt}")
        return
    is_newest = seen.attempt == row.attempt
    produced = witnesses.produced[str(row.id), seen.attempt]
    if is_newest and seen.last and row.ended_by_its_worker:
        # Who polls does not hear of a text's being taken back, which the log then has.
        fits = any(text.startswith(seen.text) for text in (row.content, *produced))
    else:
        known = {text for text in (*produced, *_kept(row, is_newest)) if text}
        fits = not known or any(text.startswith(seen.text) or seen.text.startswith(text) for text in known)
    if not fits:
        what = f"{seen.place} had {len(seen.text)} code points that attempt {seen.attempt} never wrote"
        ledger.violated(Invariant.G4, str(row.id), what)


def _kept(row: Stored, is_newest: bool) -> Iterator[str]:
    if is_newest:
        yield row.content if row.ending is not None else row.checkpoint or ""


def _end(ledger: Ledger, rows: dict[str, Stored], line: Line, end: End) -> None:
    """What a client had when it left."""
    for message_id in end.texts.keys() | end.statuses.keys():
        row = rows.get(message_id)
        if row is None or row.job_id is None:
            continue
        status, text = end.statuses.get(message_id), end.texts.get(message_id)
        if status in _ENDED and status != row.status:
            ledger.violated(Invariant.G2, message_id, f"is {row.status}, was {status} ({line.place})")
        if text is None or row.ending is None or row.finished_at is None:
            continue
        knew = status in _ENDED or line.time - row.finished_at.timestamp() > _HEARD_SECONDS
        if text != row.content and (knew or not row.content.startswith(text)):
            what = f"a client ended with {len(text)} code points, {len(row.content)} are stored ({line.place})"
            ledger.violated(Invariant.G4, message_id, what)


def _owners(ledger: Ledger, witnesses: Witnesses, rows: dict[str, Stored]) -> None:
    owners = stored.owners(thread_id for _, thread_id, _ in witnesses.shown)
    withdrawn = witnesses.withdrawn()
    for (user_id, thread_id, message_id), place in witnesses.shown.items():
        ledger.examined(Invariant.G10, "sights")
        owner = owners.get(thread_id)
        if owner is None:
            continue  # deleted since
        row = rows.get(message_id) if message_id is not None else None
        if owner != user_id:
            ledger.violated(Invariant.G10, thread_id, f"is {owner}'s, but was shown to {user_id} ({place})")
        elif row is not None and str(row.thread_id) != thread_id:
            ledger.violated(Invariant.G10, str(message_id), f"was shown as part of {thread_id} ({place})")
        elif row is None and message_id is not None and message_id not in withdrawn:
            ledger.violated(Invariant.G1, message_id, f"was shown to a client, but is not stored ({place})")
