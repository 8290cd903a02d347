"""What all clients together have seen, to be compared when everything is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.check.stored import Ending
from app.check.transcripts import Cancelled, End, Line, Posted, Withdrawn


@dataclass(frozen=True, slots=True)
class Sighting:
    """One client's text of one attempt of a reply, the longest it had before something replaced it or it ended.

    `last`: it is what the client had when the reply's last event came.
    """

    place: str
    attempt: int
    text: str
    last: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a client sent, and who it is."""

    line: Line
    user_id: str | None
    said: Posted | Cancelled | Withdrawn


@dataclass(slots=True)
class Witnesses:
    """By message: texts and endings. By user: which threads and messages they were shown.

    `unbegun` are replies that were told to be cancelled before they had begun, and the messages that they answer.
    """

    texts: defaultdict[str, set[Sighting]] = field(default_factory=lambda: defaultdict(set))
    endings: defaultdict[str, dict[Ending, str]] = field(default_factory=lambda: defaultdict(dict))
    shown: dict[tuple[str, str, str | None], str] = field(default_factory=dict)
    ends: list[tuple[Line, End]] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    produced: defaultdict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    unbegun: set[str] = field(default_factory=set)

    def saw(self, message_id: str, sighting: Sighting) -> None:
        """A client had this text."""
        if sighting.text:
            self.texts[message_id].add(sighting)

    def saw_end(self, message_id: str, ending: Ending, place: str) -> None:
        """A client was told that the reply ended so."""
        self.endings[message_id].setdefault(ending, place)

    def was_shown(self, user_id: str | None, thread_id: str, message_id: str | None, place: str) -> None:
        """A user was shown something of this thread, perhaps of this message of it."""
        if user_id is not None:
            self.shown.setdefault((user_id, thread_id, message_id), place)

    def saw_unbegun(self, message_id: str, parent_id: str | None) -> None:
        """Somebody was told that this was cancelled before it had begun: it may have been taken back."""
        self.unbegun |= {message_id} | ({parent_id} if parent_id is not None else set())

    def withdrawn(self) -> set[str]:
        """The messages that may be gone because somebody took them back."""
        named = {said.message_id for _, said in self.withdrawals() if said.accepted}
        pairs = [{post.message_id, post.reply_id} - {None} for _, post in self.posts()]
        return self.unbegun.union(named, *({str(id_) for id_ in pair} for pair in pairs if pair & named))

    def posts(self) -> Iterator[tuple[Spoken, Posted]]:
        """What was posted, in the order of the files."""
        for spoken in self.spoken:
            if isinstance(spoken.said, Posted):
                yield spoken, spoken.said

    def cancels(self) -> Iterator[tuple[Spoken, Cancelled]]:
        """What was cancelled."""
        for spoken in self.spoken:
            if isinstance(spoken.said, Cancelled):
                yield spoken, spoken.said

    def withdrawals(self) -> Iterator[tuple[Spoken, Withdrawn]]:
        """What was taken back."""
        for spoken in self.spoken:
            if isinstance(spoken.said, Withdrawn):
                yield spoken, spoken.said
