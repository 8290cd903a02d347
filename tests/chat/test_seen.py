from __future__ import annotations

from typing import Any

import pytest

from app.chat.seen import Seen, Verdict
from app.stream import events
from app.stream.events import Event

SEND, DROP, GAP = Verdict.SEND, Verdict.DROP, Verdict.GAP


def event(type_: str, cursor: int | None, attempt: int = 1, **fields: Any) -> Event:
    return Event(type_, "thread", "reply", attempt, fields, f"{cursor}-0" if cursor is not None else None)


def delta(cursor: int | None, offset: int, text: str, attempt: int = 1) -> Event:
    return event(events.DELTA, cursor, attempt, offset=offset, text=text)


def reset(cursor: int | None, text: str, attempt: int = 1) -> Event:
    return event(events.RESET, cursor, attempt, offset=len(text), text=text)


def judged(seen: Seen, *given: Event) -> list[Verdict]:
    return [seen.judge(one) for one in given]


def fresh(attempt: int = 1, length: int = 0, floor: str | None = None) -> Seen:
    seen = Seen()
    seen.begin("reply", attempt, length, floor)
    return seen


def test_what_joins_is_sent_what_is_known_is_dropped_and_what_leaves_a_hole_is_a_gap() -> None:
    given = [delta(None, 0, "ab"), delta(None, 0, "ab"), delta(None, 1, "bc"), delta(None, 5, "x"), delta(None, 3, "d")]
    assert judged(fresh(), *given) == [SEND, DROP, SEND, GAP, SEND]


def test_an_event_at_or_before_the_cursor_is_dropped_whatever_it_is() -> None:
    seen = fresh()
    other = Event(events.THREAD_UPDATED, "thread", cursor="4-0")
    assert judged(seen, delta(5, 0, "a"), delta(5, 1, "b"), other, delta(6, 1, "b")) == [SEND, DROP, DROP, SEND]
    assert seen.cursor == "6-0"


def test_an_event_without_a_cursor_moves_nothing() -> None:
    seen = fresh()
    judged(seen, delta(5, 0, "a"), reset(None, "abc"))
    assert seen.cursor == "5-0"
    assert judged(seen, delta(6, 3, "d")) == [SEND]


def test_an_older_attempt_is_never_sent_again() -> None:
    seen = fresh(attempt=2)
    given = [delta(1, 0, "old", 1), reset(2, "old", 1), event(events.FAILED, 3, 1), delta(4, 0, "new", 2)]
    assert judged(seen, *given) == [DROP, DROP, DROP, SEND]


def test_nothing_follows_the_end() -> None:
    seen = fresh()
    given = [event(events.COMPLETED, 1), event(events.COMPLETED, 2), delta(3, 0, "x"), reset(4, "x", 9)]
    assert judged(seen, *given) == [SEND, DROP, DROP, DROP]
    assert seen.ended("reply")


def test_a_new_attempt_begins_without_text_even_if_its_reset_was_lost() -> None:
    assert judged(fresh(length=10), delta(1, 4, "x", attempt=2)) == [GAP]
    assert judged(fresh(length=10), delta(1, 0, "x", attempt=2)) == [SEND]


def test_a_client_that_resumed_knows_what_came_before_and_one_with_a_snapshot_does_not() -> None:
    seen = Seen()
    assert judged(seen, delta(1, 7, "x")) == [GAP]
    seen = Seen()
    seen.resumed = True
    assert judged(seen, delta(1, 7, "x"), delta(2, 9, "y"), delta(3, 7, "x")) == [SEND, GAP, DROP]


def test_text_up_to_the_floor_is_in_what_was_sent_whole_and_all_else_is_not() -> None:
    seen = fresh(length=2, floor="5-0")
    given = [reset(3, ""), delta(4, 0, "old text"), event(events.WAITING, 5), delta(6, 2, "x")]
    assert judged(seen, *given) == [DROP, DROP, SEND, SEND]


def test_replies_do_not_mix() -> None:
    seen = fresh()
    other = Event(events.DELTA, "thread", "other", 1, {"offset": 0, "text": "x"}, "2-0")
    assert judged(seen, event(events.COMPLETED, 1), other) == [SEND, SEND]
    assert not seen.ended("other")


@pytest.mark.parametrize(
    ("attempt", "length", "behind"), [(1, 4, False), (1, 5, False), (1, 6, True), (2, 0, True), (0, 99, False)]
)
def test_a_row_is_ahead_by_its_attempt_first_and_then_by_its_length(attempt: int, length: int, behind: bool) -> None:
    assert fresh(attempt=1, length=5).behind("reply", attempt, length) is behind
    assert fresh().behind("another", attempt, length)
