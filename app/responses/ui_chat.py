"""/api/chat: the AI SDK's UI message stream, which `useChat` and its transport speak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from uuid import UUID

import structlog
from flask import Blueprint, Response, g, request, stream_with_context
from pydantic import ValidationError

from app.auth import door, limits
from app.auth.principal import Principal
from app.chat import branching, chats, invocations, numbered, reading, responding
from app.chat.errors import InvalidField, NotFound
from app.chat.idempotency import Answer, Once, Repeated
from app.chat.objects import MessageObject, Sent, ThreadObject
from app.chat.responding import Asked
from app.chat.sending import Origin
from app.models import TERMINAL
from app.responses import entrance, streaming
from app.responses.ui_request import Body, UIMessage
from app.responses.ui_stream import Part, Parts
from app.stream import sse
from app.stream.hub import current_hub
from app.stream.output import Beat
from app.text import UncleanText, clean_all

routes = Blueprint("ui", __name__, url_prefix="/api")

_HEADERS = {**sse.HEADERS, "x-vercel-ai-ui-message-stream": "v1"}
_FROM_THE_START = -1
_PATH = 200
_BROKEN_OFF = {"type": "error", "errorText": "The stream broke off and the reply goes on; resume it."}
_DEEPEST = 64
_KEY_CHARS = 255

log = structlog.get_logger(__name__)


@routes.post("/chat")
@limits.posts
def create_reply() -> Response:
    """A reply to the newest message of a chat. It is written to its end, whether or not the page stays.

    Repeated with the same Idempotency-Key it is the same reply, told from its beginning.
    """
    who, body = door.who(), _body()
    origin = Origin(request_id=g.request_id, once=_once(who.user_id), render=_kept)
    try:
        reply = _accepted(who.user_id, body, origin)
    except Repeated as error:
        reply = reading.get(who.user_id, UUID(error.answer.body.decode()))
    return _stream(who, reply)


@routes.get("/chat/<path:chat_id>/stream")
def resume_reply(chat_id: str) -> Response:
    """The reply that is being written in a chat, from its beginning; 204 where none is, or there is no such chat."""
    who = door.who()
    chat = chats.find(who.user_id, chat_id)
    reply = chat.last_message if chat is not None else None
    if reply is None or reply.role != "assistant" or reply.status in TERMINAL:
        nothing = Response(status=204)
        del nothing.headers["Content-Type"]
        return nothing
    return _stream(who, reply)


def _body() -> Body:
    try:
        return Body.model_validate(clean_all(request.get_json(), _DEEPEST))
    except UncleanText as error:
        raise InvalidField("body", str(error)) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])[:_PATH] or "messages"
        raise InvalidField(field, first["msg"].removeprefix("Value error, ")) from None


def _once(user_id: UUID) -> Once | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and (not 0 < len(key) <= _KEY_CHARS or not key.isprintable()):
        raise InvalidField("Idempotency-Key", f"must be 1 to {_KEY_CHARS} printable characters")
    return Once(user_id, key, entrance.fingerprint()) if key is not None else None


def _kept(sent: Sent) -> Answer:
    """What an Idempotency-Key keeps: which reply it was, since a stream cannot be kept."""
    return Answer(200, None, str(sent.reply.id).encode())


def _accepted(user_id: UUID, body: Body, origin: Origin) -> MessageObject:
    """The reply that is asked for, in the place of the chat where the page has it. Raises what use cases raise."""
    chat = chats.find(user_id, body.id)
    try:
        if chat is None:
            asked = Asked(body.items(0), parameters=body.parameters())
            return chats.begin(user_id, body.id, asked, **origin).reply
        return _answered(user_id, chat, body, origin).reply
    except InvalidField as error:
        raise InvalidField("messages" if error.field.startswith("items") else error.field, str(error)) from None


def _answered(user_id: UUID, chat: ThreadObject, body: Body, origin: Origin) -> Sent:
    if body.trigger == "regenerate-message" and (old := _regenerated(user_id, chat, body)) is not None:
        return branching.regenerate(user_id, old, body.parameters(), **origin)
    if chat.last_message is not None and (root := _edited(user_id, chat, body)) is not None:
        return branching.edit(user_id, root, body.said[-1].text, **origin)
    above = _above(user_id, chat, body)
    items = body.items(0 if chat.last_message is None else body.answered or len(body.said) - 1)
    thread_id = chat.id if above is None else None
    asked = Asked(items, thread_id=thread_id, previous_id=above, parameters=body.parameters())
    return responding.respond(user_id, asked, **origin)


def _above(user_id: UUID, chat: ThreadObject, body: Body) -> UUID | None:
    """The reply that the newest message goes on from, where it is one of this chat's."""
    last = body.said[body.answered - 1] if body.answered else None
    return last.reply_id if last is not None and _is_in(user_id, chat, last) else None


def _is_in(user_id: UUID, chat: ThreadObject, shown: UIMessage) -> bool:
    try:
        found = reading.get(user_id, shown.reply_id) if shown.reply_id is not None else None
    except NotFound:
        return False
    return found is not None and found.thread_id == chat.id


def _regenerated(user_id: UUID, chat: ThreadObject, body: Body) -> UUID | None:
    """The reply that shall be written once more: the one that is named, or that stands where the page's path ends."""
    path = reading.path(user_id, chat.id, limit=_PATH, cursor=None).items
    replies = [message.id for message in path if message.role == "assistant"]
    above = _above(user_id, chat, body)
    if body.messageId is not None and body.messageId in map(str, replies):
        return UUID(body.messageId)
    place = replies.index(above) + 1 if above in replies else 0
    return next(iter(replies[place:]), None) if above in replies or not body.answered else None


def _edited(user_id: UUID, chat: ThreadObject, body: Body) -> UUID | None:
    """The chat's first message, where the page has only that, in other words, and so begins anew."""
    if body.message is not None or len(body.messages) > 1:
        return None
    first = reading.tree(user_id, chat.id, limit=1, cursor=None).items[0]
    if body.messages[0].has_files:
        raise InvalidField("messages", "has files in a chat's edited first message; begin another chat with them")
    return first.id if first.role == "user" else None


def _stream(who: Principal, reply: MessageObject) -> Response:
    beats = numbered.follow(current_hub(), who.user_id, who.credential, reply.id, _FROM_THE_START)
    parts = Parts(reply, partial(invocations.of_reply, reply.id), partial(reading.get, who.user_id, reply.id))
    return Response(stream_with_context(_frames(parts, beats)), 200, _HEADERS, "text/event-stream")


def _frames(parts: Parts, beats: Iterable[Beat | None]) -> Iterator[bytes]:
    """The body of a stream: what goes wrong once it is open is said in it."""
    try:
        for part in parts.all(beats):
            yield sse.HEARTBEAT if part is None else _frame(part)
    except Exception:
        log.exception("stream broken off")
    yield b"data: [DONE]\n\n" if parts.ended else _frame(_BROKEN_OFF)


def _frame(part: Part) -> bytes:
    return f"data: {streaming.encode(part)}\n\n".encode()
