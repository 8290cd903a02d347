"""What clients posted and cancelled, against the rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from app.check import stored
from app.check.stored import Stored
from app.check.transcripts import Cancelled, Posted
from app.check.verdict import Invariant, Ledger
from app.check.witnesses import Spoken, Witnesses
from app.database import reading
from app.ids import parse_id
from app.models import Message, Thread
from app.text import UncleanText, clean

# A client notes the time when the answer has arrived, by its own clock.
_CLOCK_SECONDS = 1.0
_PAGE = 1000

Rows = dict[str, Stored]


def check(ledger: Ledger, witnesses: Witnesses) -> None:
    """G1: what was accepted is there, once. G8: cancels were noted. G9: messages keep their order."""
    gone = witnesses.withdrawn()
    ids = {id_ for _, post in witnesses.posts() for id_ in (post.message_id, post.reply_id) if id_ is not None}
    ids |= {cancel.message_id for _, cancel in witnesses.cancels()}
    rows = stored.load(ids | {said.message_id for _, said in witnesses.withdrawals()})
    for spoken, post in witnesses.posts():
        if post.accepted:
            ledger.examined(Invariant.G1, "accepted posts")
            for what in _wrong(rows, post, gone):
                ledger.violated(Invariant.G1, str(post.reply_id), f"{what} ({spoken.line.place})")
    _keys(ledger, witnesses)
    _once(ledger, witnesses)
    _order(ledger, witnesses, rows)
    for spoken, said in witnesses.withdrawals():
        if said.accepted and said.message_id in rows:
            ledger.violated(Invariant.G1, said.message_id, f"was taken back, but is stored ({spoken.line.place})")
    for spoken, cancel in witnesses.cancels():
        _cancel(ledger, rows, spoken, cancel)


def _wrong(rows: Rows, post: Posted, gone: set[str]) -> Iterator[str]:
    message, reply = rows.get(str(post.message_id)), rows.get(str(post.reply_id))
    if message is None and post.message_id not in gone:
        yield f"was accepted, but its message {post.message_id} is not stored"
    if message is not None and post.content is not None and not _says(message, post.content):
        yield "was accepted, but other words are stored"
    if reply is None and post.reply_id not in gone:
        yield "was accepted, but is not stored"
    if reply is not None:
        yield from _misplaced(message, reply, post)


def _says(message: Stored, content: str) -> bool:
    """Whether it has these words; whoever posted them may have changed them since."""
    return message.content == _cleaned(content) or message.updated_at > message.created_at


def _misplaced(message: Stored | None, reply: Stored, post: Posted) -> Iterator[str]:
    if reply.job_id is None:
        yield "was accepted, but has no job"
    if message is not None and post.steers:
        if not _is_heard(message, reply):
            yield f"was to be steered by {message.id}, which nobody has read or will answer"
    elif message is not None and not _answers(reply, message):
        yield f"was accepted, but follows {reply.parent_id} instead of {post.message_id}"
    if post.thread_id is not None and str(reply.thread_id) != post.thread_id:
        yield f"was accepted, but stands in thread {reply.thread_id} instead of {post.thread_id}"


def _answers(reply: Stored, message: Stored) -> bool:
    """Whether only messages that have steered the reply since stand between it and the message."""
    above = reply.parent_id
    while above is not None and above != message.id:
        row = stored.load([str(above)]).get(str(above))
        above = row.parent_id if row is not None and row.role == "user" else None
    return above == message.id


def _is_heard(message: Stored, reply: Stored) -> bool:
    """Whether a message that steers has been read, will be, has become one like others, or left with a rollback."""
    if message.parent_id == reply.id and (reply.cancel_requested_at or message.steers_job_id == reply.job_id):
        return True
    with reading() as session:
        below = session.scalars(select(Message.id).where(Message.parent_id == message.id).limit(1)).first()
    return below is not None


def _keys(ledger: Ledger, witnesses: Witnesses) -> None:
    """One idempotency key of a user, one message."""
    made: dict[tuple[str | None, str], str | None] = {}
    for spoken, post in witnesses.posts():
        if post.accepted and post.idempotency_key is not None:
            first = made.setdefault((spoken.user_id, post.idempotency_key), post.message_id)
            if first != post.message_id:
                what = f"and {first} were made with one idempotency key ({spoken.line.place})"
                ledger.violated(Invariant.G1, str(post.message_id), what)


def _once(ledger: Ledger, witnesses: Witnesses) -> None:
    """What was posted so many times, each time with its own key, is stored no more often."""
    allowed: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for spoken, post in witnesses.posts():
        if spoken.user_id is not None and post.content is not None:
            keys = allowed[spoken.user_id, _cleaned(post.content)]
            if not post.refused:
                keys.add(post.idempotency_key or spoken.line.place)
    for user_id in {user_id for user_id, _ in allowed}:
        found = Counter(content for content in _contents(user_id) if (user_id, content) in allowed)
        for content, count in found.items():
            if count > len(allowed[user_id, content]):
                posted = len(allowed[user_id, content])
                what = f"has a message {count} times that, as the transcripts tell, was posted {posted} times"
                ledger.violated(Invariant.G1, user_id, what)


def _contents(user_id: str) -> Iterator[str]:
    """Everything a user has posted; what came as an item, which may bring a whole history again, is not counted."""
    owner, after, reply = parse_id(user_id), UUID(int=0), aliased(Message)
    as_item = exists().where(reply.parent_id == Message.id, reply.parameters["items"].as_string().is_not(None))
    while owner is not None:
        statement = (
            select(Message.id, Message.content)
            .join(Thread, Thread.id == Message.thread_id)
            .where(Message.user_id == owner, Message.role == "user", Message.id > after, Thread.lasting, ~as_item)
        )
        with reading() as session:
            page = session.execute(statement.order_by(Message.id).limit(_PAGE)).all()
        if not page:
            return
        after = page[-1].id
        yield from (row.content for row in page)


def _order(ledger: Ledger, witnesses: Witnesses, rows: Rows) -> None:
    """What one client posted to a thread after another post follows it in the thread's tree."""
    before: dict[tuple[str, str], str] = {}
    for spoken, post in witnesses.posts():
        if not post.accepted or post.thread_id is None or post.message_id is None or post.reply_id is None:
            continue
        if post.steers or post.reply_id not in rows:
            continue  # what steers has no place of its own, what was taken back has none any more
        place = (spoken.line.place.partition(":")[0], post.thread_id)
        earlier = before.get(place)
        if earlier == post.reply_id:
            continue  # the answer to a repetition
        before[place] = post.reply_id
        if earlier is not None:
            ledger.examined(Invariant.G9, "posts in order")
            rolled_back = rows[earlier].cancel_requested_at is not None
            if post.message_id in rows and not rolled_back and not _follows(post.message_id, earlier):
                ledger.violated(Invariant.G9, post.message_id, f"does not follow {earlier} ({spoken.line.place})")


def _follows(message_id: str, earlier: str) -> bool:
    above: str | None = message_id
    while above is not None and above != earlier:
        row = stored.load([above]).get(above)
        above = str(row.parent_id) if row is not None and row.parent_id is not None else None
    return above == earlier


def _cancel(ledger: Ledger, rows: Rows, spoken: Spoken, cancel: Cancelled) -> None:
    if cancel.status is None or not 200 <= cancel.status < 300:
        return
    ledger.examined(Invariant.G8, "cancels that clients sent")
    row = rows.get(cancel.message_id)
    if row is None or row.job_id is None or row.cancel_requested_at is not None:
        return
    if row.finished_at is None or row.finished_at.timestamp() > spoken.line.time + _CLOCK_SECONDS:
        what = f"its cancel was answered with {cancel.status}, but never noted ({spoken.line.place})"
        ledger.violated(Invariant.G8, cancel.message_id, what)


def _cleaned(content: str) -> str:
    try:
        return clean(content)
    except UncleanText:
        return content
