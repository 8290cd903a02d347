"""`POST /v1/responses`: in the background or not, as a stream or not, it is always the same durable job."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request

from app.auth import limits
from app.auth.principal import Principal
from app.chat import following, numbered, reading
from app.chat.idempotency import Answer, Repeated
from app.chat.objects import MessageObject, Sent
from app.models import TERMINAL, Status
from app.responses import entrance, objects, ordering, streaming
from app.responses.complaints import Complaint, Interrupted
from app.responses.events import CREATED, QUEUED, Events, Stream
from app.responses.ordering import Order
from app.responses.parameters import Create
from app.stream.hub import current_hub

routes = Blueprint("creating", __name__)

FROM_THE_START = -1
# Nothing more comes by itself.
_RESTING = TERMINAL | {Status.REQUIRES_ACTION}


@routes.post("/responses")
@limits.posts
def create_response() -> Response:
    """A response to `input`. Whoever leaves while it is written finds it by its id, or by asking again."""
    who, create = entrance.who(), entrance.body(Create)
    ordered = ordering.order(create)
    parameters = ordered.asked.parameters
    try:
        reply = _accepted(who, ordered)
    except Repeated as error:
        if create.background and not create.stream:
            raise  # answered with what was answered then; a stream, or an end, is told again from the row
        reply = reading.get(who.user_id, UUID(error.answer.location))
    if create.stream:
        return streaming.response(events(who, reply, parameters, FROM_THE_START))
    return sent(_made(reply, parameters) if create.background else _ended(who, reply))


@routes.post("/responses/compact")
@routes.post("/responses/input_tokens")
def refuse() -> Response:
    """What the SDK knows besides, and nobody does here."""
    raise Complaint(f"There is no {request.path} here: histories are neither compacted nor counted.", status=404)


def events(who: Principal, reply: MessageObject, parameters: Mapping[str, Any], after: int) -> Stream:
    """The events of a response above the number `after`, live."""
    first = QUEUED if objects.is_background(parameters) else CREATED
    follow = partial(numbered.follow, current_hub(), who.user_id, who.credential, reply.id, max(after, first))
    return Events(reply, parameters).all(follow, after)


def sent(shown: Mapping[str, Any]) -> Response:
    """An object as the answer."""
    return Response(_encoded(shown), 200, content_type="application/json")


def _accepted(who: Principal, ordered: Order) -> MessageObject:
    """The pending reply, or that of an equal request which OpenAI's SDK says it repeats."""
    equal = f"{who.credential_id}:{entrance.fingerprint()}".encode()
    asked = replace(ordered.asked, fingerprint=entrance.digest(equal), retried=entrance.retried())

    def render(made: Sent) -> Answer:
        return Answer(200, str(made.reply.id), _encoded(_made(made.reply, asked.parameters)))

    once = entrance.once(who.user_id)
    return ordering.accept(who, replace(ordered, asked=asked), request_id=g.request_id, once=once, render=render)


def _made(reply: MessageObject, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return objects.begun(reply, parameters, objects.first_status(parameters))


def _ended(who: Principal, reply: MessageObject) -> dict[str, Any]:
    """The response at its end, or when it waits for a person. Raises Interrupted when this process ends first."""
    message = reading.get(who.user_id, reply.id)
    if message.status not in _RESTING:
        message = following.wait(current_hub(), who.user_id, who.credential, reply.id, math.inf)
    if message.status not in _RESTING:
        raise Interrupted
    return objects.whole(numbered.read(who.user_id, reply.id))


def _encoded(shown: Mapping[str, Any]) -> bytes:
    return json.dumps(shown, ensure_ascii=False).encode()
