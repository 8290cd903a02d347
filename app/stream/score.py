"""The score of a reply: all that a numbered stream says of it, in order and in few bytes, so that its row can keep it.

A log is trimmed and may be lost; a reader who has event n asks for n + 1 all the same, and long after. So the writer
marks everything it tells in the score, which is committed with the text it belongs to. Played again, with the row's
text, a score gives the same events with the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

from app.stream import events
from app.stream.events import Event
from app.stream.output import Beat, Of, Output

# The member of an event that has the number of the first one that it means.
NUMBER = "sequence_number"

# A mark is a list that begins with its name:
#   ["begin"]               the worker has begun
#   ["text", [4, 7]]        two deltas, of so many code points of the reply's text
#   ["reasoning", ["Hm"]]   deltas of visible reasoning, which stands nowhere else
#   ["call", id, "tool"]    a call of a tool, or of a "function" that is not ours
#   ["result", id]          that call has ended
#   ["step"]                what was written so far stays
#   ["drop", "…"]           what was written since the last step, this text, is taken back
#   ["skip", 10042]         the next number
#   ["rest"]                the attempt is over, and nothing was told that is not marked
#   ["end", true]           the reply has ended, completely or not
Mark = list[Any]
REST: Mark = ["rest"]

# A new attempt starts this far above what is marked, unless the last one came to rest: what a dead one has told since
# its last commit may have had numbers up to there. It has a few seconds for that before its lease lapses.
_RESERVED = 1_000_000
# Left free where readers are brought back in step, who may have got to different places: more than any of them needs.
_REJOIN = 10

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_OF = {"text": Of.TEXT, "reasoning": Of.REASONING}
_NAMES = {of: name for name, of in _OF.items()}


def calls_made(calls: Iterable[tuple[str, Of]]) -> list[Mark]:
    """The marks of a step that made these calls: what is written stays, and so do they."""
    return [*(["call", call_id, of.value] for call_id, of in calls), ["step"]]


def call_ended(call_id: str) -> list[Mark]:
    """The mark of a call's end."""
    return [["result", call_id]]


def play(first: int, stored: str, text: str) -> tuple[Output, list[Beat]]:
    """All that a stored score says of a reply whose row has `text`; text beyond its marks is not told yet."""
    output, beats = Output(first), list[Beat]()
    for move in _moves(_decoded(stored), text):
        beats += _made(output, move)
    return output, beats


def catch_up(output: Output, stored: str, text: str) -> list[Beat]:
    """What a stored score says beyond `output`, which then is as far.

    A reader may know more of a dead attempt than the score does. What it has begun is closed for it with what the
    score says next, and from then on its numbers are the score's again.
    """
    marked, beats = Output(output.first), list[Beat]()
    for move in _moves(_decoded(stored), text):
        for number, part in _numbered(marked, move, output.number):
            if number >= output.number:  # what moves no number can be told twice
                output.skip(number)
                beats += _made(output, part)
    return beats


def _numbered(marked: Output, move: Mark, above: int) -> Iterator[tuple[int, Mark]]:
    """The number of a move, or of each of its deltas; deltas that all have one below `above` are only counted."""
    number = marked.number
    if move[0] not in _OF:
        _made(marked, move)
        yield number, move
        return
    marked.count(_OF[move[0]], len(move[1]))
    if marked.number > above:
        places = range(marked.number - len(move[1]), marked.number)
        for place, piece in zip((number, *places[1:]), move[1], strict=True):
            yield place, [move[0], [piece]]


def has_ended(stored: str) -> bool:
    """Whether the end is marked; nothing comes after it."""
    return stored.endswith(('["end",true]]', '["end",false]]'))


def relay(output: Output, event: Event) -> list[Beat] | None:
    """What a numbered event says beyond `output`, which then is as far; None when something before it is missing."""
    number = event.fields.get(NUMBER)
    if number is None or number < output.number:
        return []
    if number > output.number:
        return None
    beats: list[Beat] = _HEARD[event.type](output, event)
    return beats


# What a numbered event of each type tells an Output, or a Score.
_HEARD: dict[str, Callable[[Any, Event], Any]] = {
    events.PROCESSING: lambda told, _: told.begin(),
    events.DELTA: lambda told, event: told.write(Of.TEXT, event.fields["text"]),
    events.REASONING: lambda told, event: told.write(Of.REASONING, event.fields["text"]),
    events.RESET: lambda told, _: told.drop(),
}


def _decoded(stored: str) -> list[Mark]:
    return json.loads(stored) if stored else []


def _moves(marks: Sequence[Mark], text: str) -> Iterator[Mark]:
    """The marks, with the text of their deltas instead of its lengths."""
    at = 0
    for take, dropped in _takes(marks):
        source, taken = (text[at:] if dropped is None else dropped), 0
        for mark in take:
            if mark[0] == "text":
                ends = list(accumulate(mark[1], initial=taken))
                yield ["text", [source[start:end] for start, end in pairwise(ends)]]
                taken = ends[-1]
            else:
                yield mark
        at += taken if dropped is None else 0


def _takes(marks: Sequence[Mark]) -> Iterator[tuple[list[Mark], str | None]]:
    """The marks from step to step, and where a take was dropped its text."""
    take: list[Mark] = []
    for mark in marks:
        take.append(mark)
        if mark[0] in {"step", "drop"}:
            yield take, mark[1] if mark[0] == "drop" else None
            take = []
    yield take, None


def _made(output: Output, move: Mark) -> list[Beat]:
    return _MOVES[move[0]](output, *move[1:])


def _written(output: Output, of: Of, pieces: Iterable[str]) -> list[Beat]:
    return [beat for piece in pieces for beat in output.write(of, piece)]


_MOVES: dict[str, Callable[..., list[Beat]]] = {
    "begin": Output.begin,
    "text": lambda output, pieces: _written(output, Of.TEXT, pieces),
    "reasoning": lambda output, pieces: _written(output, Of.REASONING, pieces),
    "call": lambda output, call_id, of: output.call(call_id, Of(of)),
    "result": Output.result,
    "step": Output.step,
    "drop": lambda output, _: output.drop(),
    "skip": Output.skip,
    "rest": lambda _: [],
    "end": lambda output, complete: output.end(complete=complete),
}


class Score:
    """The marks of one reply as its writer makes them. Whoever calls it holds the lock of the text it goes with."""

    def __init__(self, first: int, stored: str = "", text: str = "") -> None:
        """`stored` was kept with `text`, by an attempt before."""
        self._output, _ = play(first, stored, text)
        self._marks = _decoded(stored)
        self._may_join = False
        self._skipped = False

    @property
    def number(self) -> int:
        """The next event's."""
        return self._output.number

    @property
    def begun(self) -> bool:
        """Whether anything is marked."""
        return self._output.begun

    @property
    def dropping(self) -> list[Mark]:
        """The mark that takes back what was written since the last step, if anything was."""
        unsettled = self._output.unsettled
        text = "".join(item.text for item in unsettled if item.of is Of.TEXT)
        return [["drop", text]] if unsettled else []

    def begin(self) -> int | None:
        """Mark that the worker has begun; returns the number of that, None where it is marked already."""
        return None if self._output.begun else self.mark([["begin"]])

    def write(self, of: Of, text: str) -> int:
        """Mark a delta of the reply's text or reasoning; returns its first number."""
        number, name = self._output.number, _NAMES[of]
        if not self._output.lengthen(of, text):
            self._output.write(of, text)
        if not self._marks or self._marks[-1][0] != name:
            self._marks.append([name, []])
        self._marks[-1][1].append(len(text) if of is Of.TEXT else text)
        self._may_join = True
        return number

    def join(self, text: str) -> bool:
        """Lengthen the delta before by `text`; False, and nothing done, where it was kept as it is."""
        if self._may_join:
            name, pieces = self._marks[-1]
            pieces[-1] += len(text) if name == "text" else text
            self._output.join(text)
        return self._may_join

    def drop(self) -> int:
        """Mark that what was written since the last step is taken back; returns the first number of that."""
        return self.mark(self.dropping)

    def mark(self, marks: Iterable[Mark]) -> int:
        """Add marks other than deltas; returns the first number of what they tell."""
        number = self._output.number
        for mark in marks:
            _made(self._output, mark)
            self._marks.append(mark)
        self._may_join = False
        return number

    def dump(self, ahead: Sequence[Mark] = ()) -> str:
        """The marks as JSON, with those `ahead`, which are to be added once they are committed.

        A dump only grows, and what is written next lengthens no delta of it.
        """
        self._may_join = False
        return _ENCODER.encode([*self._marks, *ahead])

    def resume(self, heard: Iterable[Event]) -> None:
        """Go on after an earlier attempt: with what it told since its last commit, as far as its log has that, and
        above all numbers that it may have given besides."""
        if self._marks and self._marks[-1] == REST:
            return
        for event in heard:
            if event.fields.get(NUMBER) == self._output.number:
                _HEARD[event.type](self, event)
        self._skip(_RESERVED)
        self._skipped = True

    def reopen(self, settled: str, ended: Iterable[str]) -> None:
        """Begin the next attempt with the text of the committed steps; `ended` are their calls that are over.

        To be committed before anything else is told: the marks of the one before are not the last ones any more.
        """
        self.begin()
        self.mark(self.dropping or [["drop", ""]])  # a reader may have heard of more than is marked
        if self._skipped:
            self._skip(_REJOIN)
        if rest := settled[len(self._output.text) :]:
            self.write(Of.TEXT, rest)
        self.mark([["step"], *(["result", call_id] for call_id in ended if call_id in self._output.open_calls)])

    def end(self, text: str, *, complete: bool) -> str:
        """The marks as JSON, to be kept with this text at which the reply ends. It has not, should that not come about:
        nothing is added here."""
        if self._output.ended:
            return self.dump()
        told, marks = self._output.text, list[Mark]()
        if not text.startswith(told):
            told, marks = self._output.settled, self.dropping
        if len(text) > len(told):
            marks.append(["text", [len(text) - len(told)]])
        return self.dump([*marks, ["end", complete]])

    def _skip(self, numbers: int) -> None:
        self.mark([["skip", self._output.number + numbers]])
