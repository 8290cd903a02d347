"""/v1/chat/completions: one reply for a list of messages, whole or in chunks; each in a thread of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import partial
from uuid import UUID

from flask import Blueprint, Response, g, jsonify, stream_with_context

from app.auth import limits
from app.auth.principal import Principal
from app.chat import following, invocations, numbered, reading, responding
from app.chat.errors import InvalidField
from app.chat.idempotency import Answer, Repeated
from app.chat.objects import MessageObject, Sent
from app.chat.responding import Asked
from app.models import TERMINAL
from app.responses import complaints, entrance, streaming
from app.responses.complaints import Interrupted
from app.responses.completions_objects import completion, ended_well, failure
from app.responses.completions_request import Body
from app.responses.completions_stream import Chunk, Chunks
from app.stream import sse
from app.stream.hub import current_hub

routes = Blueprint("completions", __name__)

_FROM_THE_START = -1
# How this surface calls what the use case does.
_FIELDS = {"items": "messages", "functions": "tools", "text_format": "response_format"}


@routes.post("/chat/completions")
@limits.posts
def create_completion() -> Response:
    """A reply to `messages`. It is written to its end and kept, whether or not anybody waits for it.

    Repeated with the same Idempotency-Key, or as OpenAI's SDK repeats a request whose answer it did not get, it is
    answered with the same reply.
    """
    who, body = entrance.who(), entrance.body(Body)
    reply = _accepted(who, body)
    if body.stream:
        return Response(stream_with_context(_frames(_chunks(who, reply, body))), 200, sse.HEADERS, "text/event-stream")
    return _whole(who, reply)


def _accepted(who: Principal, body: Body) -> MessageObject:
    equal = f"{who.credential_id}:{entrance.fingerprint()}".encode()
    asked = Asked(
        items=body.items(),
        hidden=not body.store,
        parameters=body.parameters(),
        metadata=body.metadata or {},
        fingerprint=entrance.digest(equal),
        retried=entrance.retried(),
    )
    try:
        once = entrance.once(who.user_id)
        return responding.respond(who.user_id, asked, request_id=g.request_id, once=once, render=_kept).reply
    except InvalidField as error:
        raise InvalidField(_field(error.field), str(error)) from None
    except Repeated as error:
        return reading.get(who.user_id, UUID(error.answer.body.decode()))


def _kept(sent: Sent) -> Answer:
    """What an Idempotency-Key keeps: which reply it was, since a stream cannot be kept."""
    return Answer(200, None, str(sent.reply.id).encode())


def _field(name: str) -> str:
    """A field as OpenAI writes it: `messages[0].content`."""
    first, dot, rest = name.partition(".")
    return re.sub(r"\.(\d+)", r"[\1]", _FIELDS.get(first, first) + dot + rest)


def _whole(who: Principal, reply: MessageObject) -> Response:
    message = reading.get(who.user_id, reply.id)
    if message.status not in TERMINAL:
        message = following.wait(current_hub(), who.user_id, who.credential, reply.id, math.inf)
    if message.status not in TERMINAL:
        raise Interrupted
    if not ended_well(message):
        raise failure(message)
    told = numbered.read(who.user_id, reply.id)
    return jsonify(completion(told, invocations.of_reply(reply.id)))


def _chunks(who: Principal, reply: MessageObject, body: Body) -> Iterator[Chunk | None]:
    beats = numbered.follow(current_hub(), who.user_id, who.credential, reply.id, _FROM_THE_START)
    chunks = Chunks(
        reply,
        partial(invocations.of_reply, reply.id),
        partial(numbered.read, who.user_id, reply.id),
        with_usage=body.with_usage,
    )
    return chunks.all(beats)


def _frames(chunks: Iterable[Chunk | None]) -> Iterator[bytes]:
    """The body of a stream: what goes wrong once it is open is said in it, and it has no other end than that."""
    try:
        for chunk in chunks:
            yield sse.HEARTBEAT if chunk is None else _frame(chunk)
        yield b"data: [DONE]\n\n"
    except Exception as error:
        yield _frame({"error": complaints.told(error).error})


def _frame(member: Chunk) -> bytes:
    return f"data: {streaming.encode(member)}\n\n".encode()
