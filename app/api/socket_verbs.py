"""What is done about each type of frame: one function a type."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from app.api import goals, messages, socket_frames
from app.api.answers import accepted
from app.api.socket_feeds import Feeds
from app.api.socket_frames import Cancel, Frame, Message, Solve, Subscribe, Unsubscribe
from app.auth import limits
from app.chat import cancelling, sending
from app.chat.idempotency import Repeated
from app.chat.sending import Draft


@dataclass(frozen=True, slots=True)
class Visit:
    """One connection: whose it is, what it follows, and the id of the request that opened it."""

    user_id: UUID
    feeds: Feeds
    request_id: str | None


def act(visit: Visit, frame: Frame) -> None:
    """Do what the frame says. Raises ChatError, TooManyRequests or a database's error; then nothing was stored."""
    match frame:
        case Subscribe():
            subscribe(visit, frame)
        case Unsubscribe():
            unsubscribe(visit, frame)
        case Message():
            message(visit, frame)
        case Cancel():
            cancel(visit, frame)
        case Solve():
            solve(visit, frame)


def subscribe(visit: Visit, frame: Subscribe) -> None:
    """Send the thread's events from here on. Raises NotFound, or InvalidField for one thread too many."""
    visit.feeds.open(frame.thread_id, frame.after, ref=frame.ref)


def unsubscribe(visit: Visit, frame: Unsubscribe) -> None:
    """Send them no longer; nothing where they were not."""
    visit.feeds.close(frame.thread_id)


def message(visit: Visit, frame: Message) -> None:
    """Accept a message and follow its thread. Raises what `sending.send_message` does, and TooManyRequests."""
    _post(visit, frame, messages.draft(frame, frame.thread_id))


def solve(visit: Visit, frame: Solve) -> None:
    """Accept a goal and follow its thread. Raises the same."""
    _post(visit, frame, goals.draft(frame, frame.thread_id))


def cancel(visit: Visit, frame: Cancel) -> None:
    """Cancel a reply; one that has ended stays as it is. Raises NotFound."""
    cancelling.cancel(visit.user_id, frame.message_id)


def _post(visit: Visit, frame: Message | Solve, draft: Draft) -> None:
    """Follow first, so that the client hears of what is made; a thread that is made is told of from its beginning."""
    limits.count_post(visit.user_id)
    if draft.thread_id is not None:
        visit.feeds.ensure(draft.thread_id, ref=frame.ref)
    once = socket_frames.once(visit.user_id, frame)
    try:
        sent = sending.send_message(visit.user_id, draft, request_id=visit.request_id, once=once, render=accepted)
    except Repeated as repeated:
        visit.feeds.ensure(UUID(json.loads(repeated.answer.body)["thread"]["id"]), ref=frame.ref)
        return
    if draft.thread_id is None:
        visit.feeds.open(sent.thread.id, ref=frame.ref, just_made=True)
