from __future__ import annotations

import json
from itertools import pairwise

import pytest

from app.stream import events, score
from app.stream.events import Event
from app.stream.output import Kind, Of, Output
from app.stream.score import REST, Score, call_ended, calls_made
from tests.stream.numbering import FIRST, REPLY, THREAD, Client, World, shape


def written(*pieces: str) -> Score:
    made = Score(FIRST)
    made.begin()
    for piece in pieces:
        made.write(Of.TEXT, piece)
    return made


def played(stored: str, text: str) -> list[tuple[object, ...]]:
    return [shape(beat) for beat in score.play(FIRST, stored, text)[1]]


def event(type_: str, number: int, **fields: object) -> Event:
    return Event(type_, THREAD, REPLY, 1, {**fields, "sequence_number": number})


def test_a_score_says_little_and_no_text_that_stands_elsewhere() -> None:
    made = written("Once ", "upon ")
    assert json.loads(made.dump()) == [["begin"], ["text", [5, 5]]]
    made.write(Of.REASONING, "Hm")
    assert json.loads(made.dump())[2:] == [["reasoning", ["Hm"]]]


def test_numbers_grow_by_one_for_each_event() -> None:
    made = written("a", "b")
    made.write(Of.REASONING, "c")
    made.mark(calls_made([("1", Of.TOOL), ("2", Of.FUNCTION)]))
    made.mark(call_ended("1"))
    made.write(Of.TEXT, "d")
    output, beats = score.play(FIRST, made.end("abd", complete=True), "abd")
    assert [beat.number for beat in beats] == list(range(FIRST, beats[-1].number + 1))
    assert [(item.of, item.text, item.complete) for item in output.items] == [
        (Of.TEXT, "ab", True),
        (Of.REASONING, "c", True),
        (Of.TOOL, "", True),
        (Of.FUNCTION, "", True),
        (Of.TEXT, "d", True),
    ]


def test_the_same_score_is_played_alike_from_any_place_on() -> None:
    world = World()
    client = Client(world)
    for piece in ("a", "b", "c"):
        world.writer.delta(piece)
        world.crank.turn()
    world.keep()
    world.take_back(kept=True)
    world.writer.delta("d")
    world.crank.turn()
    world.end(complete=True)
    client.hear(100)
    whole = played(*world.row)
    assert client.shapes == whole
    last = whole[-1][0]
    assert isinstance(last, int)
    for number in range(FIRST, last + 2):
        output = Output(FIRST)
        behind = [shape(beat) for beat in output_until(output, world, number)]
        assert behind + [shape(beat) for beat in score.catch_up(output, *world.row)] == whole


def output_until(output: Output, world: World, number: int) -> list[score.Beat]:
    """What an output has heard of the log before it stopped hearing."""
    beats: list[score.Beat] = []
    for entry in world.log:
        if output.number < number:
            beats += score.relay(output, entry) or []
    return beats


def test_what_was_kept_is_not_lengthened_any_more() -> None:
    made = written("ab")
    assert made.join("cd")
    kept = made.dump()
    assert not made.join("ef")
    made.write(Of.TEXT, "ef")
    assert json.loads(kept)[1] == ["text", [4]]
    assert json.loads(made.dump())[1] == ["text", [4, 2]]


def test_an_event_is_relayed_only_at_its_place() -> None:
    output = Output(FIRST)
    assert score.relay(output, event(events.DELTA, 3, text="a")) is None
    assert [beat.kind for beat in score.relay(output, event(events.PROCESSING, 2)) or ()] == [Kind.BEGUN]
    assert score.relay(output, event(events.PROCESSING, 2)) == []
    assert score.relay(output, Event(events.WAITING, THREAD, REPLY, 1)) == []
    assert len(score.relay(output, event(events.DELTA, 3, text="a")) or ()) == 3


@pytest.mark.parametrize("opened", ["nothing", "text", "reasoning"])
def test_who_heard_more_of_a_dead_attempt_than_the_row_has_is_brought_back_in_step(opened: str) -> None:
    world = World()
    world.step(0, 0)
    client = Client(world)
    if opened != "nothing":
        (world.writer.delta if opened == "text" else world.writer.reasoning)("never kept")
        world.crank.turn()
        client.hear(9)
    world.lose_log()
    world.claim()
    world.open()
    world.writer.delta("stored")
    world.crank.turn()
    world.end(complete=True)
    client.hear(99)
    assert client.output.text == "stored"
    assert [item.text for item in client.output.output] == ["stored"]
    numbers = [beat.number for beat in client.told]
    assert numbers == sorted(set(numbers))
    assert [one[:2] for one in client.shapes[-5:]] == [one[:2] for one in played(*world.row)[-5:]]


def test_what_is_told_after_a_rest_was_taken_up_is_not_forgotten_by_a_crash() -> None:
    world = World()
    world.writer.delta("a")
    world.rest()
    world.claim()
    world.open()
    client = Client(world)
    for _ in range(30):
        world.writer.delta("b")
        world.crank.turn()
    client.hear(99)
    world.lose_log()
    world.claim()
    world.open()
    for _ in range(30):
        world.writer.delta("c")
        world.crank.turn()
    world.end(complete=True)
    client.hear(99)
    assert client.output.text == "c" * 30
    assert sum(beat.kind is Kind.DELTA and beat.text == "c" for beat in client.told) == 30


def test_attempts_that_die_before_they_have_kept_anything_use_no_number_twice() -> None:
    world = World()
    numbers: list[int] = []
    for _ in range(3):
        before = Score(FIRST, world.score, world.checkpoint + world.lost)
        before.resume(())
        before.reopen("", [])
        world.commit("", before.dump())
        numbers.append(before.write(Of.TEXT, "told, and never kept"))
    assert all(after - before >= 1_000_000 for before, after in pairwise(numbers))


def test_a_rest_is_followed_by_the_next_number() -> None:
    made = written("a")
    again = Score(FIRST, made.dump([REST]), "a")
    again.resume([event(events.DELTA, made.number, text="of a worker that does not know")])
    assert again.number == made.number


def test_an_end_covers_what_was_not_told_and_is_none_before_it_is_committed() -> None:
    made = written("Once ")
    ended = made.end("Once upon", complete=False)
    assert json.loads(ended) == [["begin"], ["text", [5]], ["text", [4]], ["end", False]]
    assert (score.has_ended(ended), score.has_ended(made.dump())) == (True, False)
    assert made.end("Once upon", complete=False) == ended
    assert Score(FIRST, ended, "Once upon").end("Once upon", complete=True) == ended


def test_an_end_with_less_than_was_told_takes_the_rest_back() -> None:
    made = written("kept")
    made.mark(calls_made([]))
    made.write(Of.TEXT, "told")
    output, _ = score.play(FIRST, made.end("kept, and more", complete=True), "kept, and more")
    assert [(item.text, item.dropped) for item in output.items] == [
        ("kept", False),
        ("told", True),
        (", and more", False),
    ]


def test_a_call_whose_result_nobody_knows_is_closed_by_the_end() -> None:
    made = written("a")
    made.mark(calls_made([("1", Of.TOOL)]))
    output, beats = score.play(FIRST, made.end("a", complete=False), "a")
    assert [item.complete for item in output.items] == [True, True]
    assert [beat.kind for beat in beats[-3:]] == [Kind.CALL_ENDED, Kind.ITEM_DONE, Kind.ENDED]
