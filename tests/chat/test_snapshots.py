from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from app.chat.snapshots import Tail, join
from app.stream import events
from app.stream.events import Event
from tests.chat.test_seen import delta, event, reset


def test_the_log_lengthens_the_checkpoint_as_far_as_it_joins() -> None:
    assert join("Once", [delta(1, 0, "On"), delta(2, 2, "ce up"), delta(3, 7, "on")]) == "Once upon"
    assert join("Once", [delta(1, 4, " up"), delta(2, 99, "lost"), delta(3, 7, "on")]) == "Once upon"
    assert join("Once", [delta(1, 5, "gap")]) == "Once"
    assert join("", []) == ""


def test_a_reset_outranks_a_checkpoint_of_another_text_but_not_one_that_goes_on_from_it() -> None:
    assert join("A try taken back", [reset(1, ""), delta(2, 0, "Again")]) == "Again"
    assert join("Again and again", [reset(1, ""), delta(2, 0, "Again")]) == "Again and again"
    assert join("Half", [reset(1, "Half a word")]) == "Half a word"


def test_only_the_entries_of_this_attempt_of_this_reply_count() -> None:
    foreign = Event(events.DELTA, "thread", "other", 2, {"offset": 0, "text": "foreign"}, "1-0")
    tail = Tail((foreign, delta(2, 0, "old", attempt=1), delta(3, 0, "new", attempt=2), event(events.WAITING, 4, 2)))
    assert tail.lengthen("", 2, "reply") == "new"
    assert tail.lengthen("", 3, "reply") == ""
    assert tail.cursor == "4-0"
    assert Tail(()).cursor is None


@given(st.text(max_size=60), st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_the_log_kept_of_one_text_gives_a_prefix_of_it_no_shorter_than_the_checkpoint(
    text: str, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {0, len(text)})
    pieces = [delta(None, a, text[a:b]) for a, b in pairwise(cuts)]
    kept = data.draw(st.integers(0, len(text)))
    entries = [piece for piece in pieces if data.draw(st.booleans())]
    joined = join(text[:kept], entries)
    assert text.startswith(joined)
    assert len(joined) >= kept
    assert join(text[:kept], pieces) == text
