"""From a request for a response to a reply that is accepted, whichever way the request came."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Unpack
from uuid import UUID

from app.auth.principal import Principal
from app.chat import responding
from app.chat.errors import InvalidField, NotFound
from app.chat.items import Given
from app.chat.objects import MessageObject
from app.chat.responding import Asked
from app.chat.sending import Origin
from app.responses import given, identifiers, tools
from app.responses.complaints import Complaint
from app.responses.parameters import Create

# How OpenAI calls what the use case does.
_FIELDS = {"items": "input", "functions": "tools", "text_format": "text.format"}


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for, and the places in the request where its items stood."""

    asked: Asked
    places: tuple[str, ...]

    def after(self, earlier: tuple[Given, ...]) -> Order:
        """The same, with items before its own and without the response they were of."""
        asked = replace(self.asked, items=(*earlier, *self.asked.items), previous_id=None)
        return Order(asked, ("previous_response_id",) * len(earlier) + self.places)


def order(create: Create) -> Order:
    """What a request asks for. Raises Complaint."""
    create.check()
    items = given.items(create.input)
    offer = tools.offer(create.tools or [], create.tool_choice)
    asked = Asked(
        items=tuple(item for _, item in items),
        thread_id=conversation(create.conversation) if create.conversation is not None else None,
        previous_id=_previous(create.previous_response_id) if create.previous_response_id is not None else None,
        hidden=not create.stored,
        parameters=create.parameters(offer),
        metadata=create.metadata or {},
    )
    return Order(asked, tuple(place for place, _ in items))


def accept(who: Principal, ordered: Order, **origin: Unpack[Origin]) -> MessageObject:
    """The pending reply to what is asked. Raises Complaint, and Repeated or KeyReused."""
    try:
        return responding.respond(who.user_id, ordered.asked, **origin).reply
    except NotFound as error:
        raise _missing(ordered, error) from None
    except InvalidField as error:
        raise _invalid(ordered, error) from None


def conversation(id_: str) -> UUID:
    """The thread that a conversation is. Raises Complaint where it cannot be one."""
    found = identifiers.read("conv", id_)
    if found is None:
        raise no_conversation(id_)
    return found


def no_conversation(id_: str) -> Complaint:
    """There is none with this id, or it is somebody else's."""
    return Complaint(
        f"Conversation with id '{id_[:100]}' not found.", status=404, param="conversation", code="not_found"
    )


def param(places: Sequence[str], field: str, names: Mapping[str, str]) -> str:
    """A field of the use case as its request wrote it: items stood at `places`, others have `names` of their own."""
    first, _, rest = field.partition(".")
    place, _, within = rest.partition(".")
    if first == "items" and place.isdecimal() and int(place) < len(places):
        return places[int(place)] + (f".{within}" if within else "")
    return names.get(first, first) + re.sub(r"\.(\d+)", r"[\1]", field.removeprefix(first))


def _previous(id_: str) -> UUID:
    found = identifiers.read("resp", id_)
    if found is None:
        raise _no_previous(id_)
    return found


def _no_previous(id_: str) -> Complaint:
    return Complaint(
        f"Previous response with id '{id_[:100]}' not found.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def _missing(ordered: Order, error: NotFound) -> Complaint | NotFound:
    asked = ordered.asked
    if asked.previous_id is not None:
        return _no_previous(identifiers.spell("resp", asked.previous_id))
    return no_conversation(identifiers.spell("conv", asked.thread_id)) if asked.thread_id is not None else error


def _invalid(ordered: Order, error: InvalidField) -> Complaint:
    place = param(ordered.places, error.field, _FIELDS)
    code = "model_not_found" if place == "model" else "invalid_value"
    return Complaint(f"Invalid '{place}': {error}", param=place, code=code)
