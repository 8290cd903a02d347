"""The versions of each message that is shown: how many there are, and which stand beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.chat import reading
from app.chat.objects import MessageObject
from app.models import ACTIVE

_PAGE = 200
# A page of long ago shows the versions made in so many messages after it; nobody waits for more to be read.
_ENOUGH = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many versions one is, counted from 1, and those beside it."""

    number: int
    count: int
    before: UUID | None
    after: UUID | None


class Tree:
    """Part of a thread's tree: what was written since the first of some messages, or of those above them."""

    def __init__(self, messages: Iterable[MessageObject]) -> None:
        self._messages = {message.id: message for message in messages}
        self._below: defaultdict[UUID | None, list[MessageObject]] = defaultdict(list)
        for message in self._messages.values():
            self._below[message.parent_id].append(message)

    @classmethod
    def of(cls, user_id: UUID, thread_id: UUID, shown: Sequence[MessageObject], *, whole: bool = False) -> Tree:
        """What stands beside `shown` or below, and all of it where it shall be `whole`. Raises NotFound."""
        found: list[MessageObject] = []
        cursor = _start(shown)
        while True:
            page = reading.tree(user_id, thread_id, limit=_PAGE, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None or (len(found) >= _ENOUGH and not whole):
                return cls(found)

    def place(self, message: MessageObject) -> Place | None:
        """Where it stands among its versions; None where it is the only one."""
        ids = [each.id for each in self._below[message.parent_id] if not self.is_unread(each)]
        if len(ids) < 2 or message.id not in ids:
            return None
        at = ids.index(message.id)
        return Place(at + 1, len(ids), ids[at - 1] if at else None, ids[at + 1] if at + 1 < len(ids) else None)

    def end(self, message_id: UUID) -> UUID | None:
        """The end of the newest branch below it; None for one that is not here."""
        leaf = self._messages.get(message_id)
        while leaf and (below := [each for each in self._below[leaf.id] if not self.is_unread(each)]):
            leaf = below[-1]
        return leaf.id if leaf else None

    def unread_below(self, shown: Sequence[MessageObject]) -> list[MessageObject]:
        """What was said into the replies that are `shown` and was not read by them yet: it stands in no path."""
        return [each for message in shown for each in self._below[message.id] if self.is_unread(each)]

    def is_unread(self, message: MessageObject) -> bool:
        """Whether it steers a reply that has not read it: nothing else that a user writes is without a reply there."""
        above = self._messages.get(message.parent_id) if message.parent_id else None
        waited_for = above is not None and above.role == "assistant" and above.status in ACTIVE
        return message.role == "user" and waited_for and not self._below[message.id]


def _start(shown: Sequence[MessageObject]) -> str | None:
    """The cursor of the tree's page that begins early enough: ids are ordered by time, and versions are younger than
    what they stand below. The first message of a thread stands below nothing."""
    if not shown or any(message.parent_id is None for message in shown):
        return None
    return str(min(id_ for message in shown for id_ in (message.id, message.parent_id) if id_))
