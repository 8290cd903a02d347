"""The messages of a thread as its page shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.chat import reading
from app.chat.objects import MessageObject
from app.chat.paging import Page
from app.models import ACTIVE, Status
from app.web.siblings import Place, Tree

_MESSAGES = 50
_WRITING_SECONDS = 2
_WAITING_SECONDS = 20


@dataclass(frozen=True, slots=True)
class History:
    """A page of the active path. `unread` was said into a reply of it, which has not read it yet; `places` has a place
    for each message with other versions; `newest` is whether nothing follows."""

    page: Page[MessageObject]
    unread: Sequence[MessageObject]
    places: Mapping[UUID, Place]
    newest: bool

    @property
    def running(self) -> bool:
        """Whether a reply has not ended."""
        return any(message.status in ACTIVE for message in self.page.items)

    @property
    def reload_seconds(self) -> int | None:
        """When the page loads itself again where there is no script; None where nothing happens by itself, or somebody
        is asked, who would lose what they type."""
        states = {message.status for message in self.page.items}
        if Status.REQUIRES_ACTION in states:
            return None
        if states & {Status.PENDING, Status.PROCESSING}:
            return _WRITING_SECONDS
        return _WAITING_SECONDS if Status.WAITING in states else None


def read(
    user_id: UUID,
    thread_id: UUID,
    cursor: str | None,
    known: Callable[[MessageObject], MessageObject] | None = None,
) -> History:
    """The newest messages or, with `cursor`, older ones, each as `known` to whoever asks.

    Raises NotFound or InvalidField (cursor).
    """
    found = reading.path(user_id, thread_id, limit=_MESSAGES, cursor=cursor)
    page = Page([known(message) for message in found.items], found.next_cursor) if known else found
    tree = Tree.of(user_id, thread_id, page.items)
    return History(page, tree.unread_below(page.items), _places(tree, page.items), cursor is None)


def _places(tree: Tree, messages: Iterable[MessageObject]) -> dict[UUID, Place]:
    found = {message.id: tree.place(message) for message in messages}
    return {id_: place for id_, place in found.items() if place}
