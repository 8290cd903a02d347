"""What stands in the panes beside the one a page is about: the chats there are, and who looks at them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from uuid import UUID

from flask import request, url_for

from app.auth import accounts
from app.auth.accounts import UserObject
from app.chat import searching, threads
from app.chat.objects import ThreadObject
from app.chat.paging import Page
from app.extensions import settings
from app.llm import catalog
from app.llm.catalog import Model
from app.llm.errors import ModelUnavailable
from app.tools.context import Found
from app.tools.errors import ToolFailed

_THREADS = 30
_FOUND = 20
_QUERY_CHARS = 200
# No thread is left out: its own tool leaves out the one it is called in.
_NO_THREAD = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Desk:
    """The Chats and User panes.

    `asking` are the listed threads that need somebody; `found` is what a search has found, None where nobody searches.
    """

    user: UserObject
    answerer: Model | None
    page: Page[ThreadObject]
    asking: Set[UUID]
    query: str = ""
    archived: bool = False
    found: Sequence[Found] | None = None
    thread_id: UUID | None = None
    at_chats: bool = False

    @property
    def address(self) -> str:
        """Where this list is found again."""
        return url_for("web.threads.index", q=self.query or None, archived=int(self.archived) or None)

    @property
    def next(self) -> str:
        """Where its next page is."""
        return url_for("web.threads.index", cursor=self.page.next_cursor, archived=int(self.archived) or None)


def of(user_id: UUID, thread_id: UUID | None = None, model: str | None = None) -> Desk:
    """The panes beside a page that is about something else, and where `model` answers."""
    user = accounts.get(user_id)
    page, asking = _page(user_id, None, archived=False)
    return Desk(user, _answerer(user, model), page, asking, thread_id=thread_id)


def asked(user_id: UUID) -> Desk:
    """The panes with the list that the request's address asks for. Raises InvalidField (cursor)."""
    query, archived = request.args.get("q", "").strip()[:_QUERY_CHARS], request.args.get("archived") == "1"
    page, asking = _page(user_id, request.args.get("cursor"), archived=archived)
    user, found = accounts.get(user_id), _found(user_id, query) if query else None
    return Desk(user, _answerer(user), page, asking, query, archived, found, at_chats=True)


def _page(user_id: UUID, cursor: str | None, *, archived: bool) -> tuple[Page[ThreadObject], Set[UUID]]:
    page = threads.page(user_id, limit=_THREADS, cursor=cursor, order="last_activity", archived=archived, status=None)
    return page, threads.asking(thread.id for thread in page.items)


def _found(user_id: UUID, query: str) -> Sequence[Found]:
    """The newest find of each chat."""
    try:
        found = searching.search(user_id, _NO_THREAD, query.replace("\0", " "), _FOUND)
    except ToolFailed:
        return ()
    return list({each.thread_id: each for each in reversed(found)}.values())[::-1]


def _answerer(user: UserObject, model: str | None = None) -> Model | None:
    """The model that answers where nothing else is chosen; None where none can."""
    try:
        wanted = model or user.preferences.get("model") or catalog.default_model(settings())
        return catalog.find(settings(), str(wanted))
    except ModelUnavailable:
        return None
