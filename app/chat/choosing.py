"""Which model writes a reply: what the message says, else the thread, else the user, else the default."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.chat.errors import InvalidField
from app.extensions import settings
from app.llm import catalog
from app.llm.errors import ModelUnavailable
from app.models import Thread, User


def model(session: Session, user_id: UUID, thread: Row[Any] | Thread, wanted: str | None) -> str:
    """The id of a model that can be asked now. Raises InvalidField (model)."""
    chosen = wanted or thread.settings.get("model") or _preferred(session, user_id)
    try:
        model_id = str(chosen or catalog.default_model(settings()))
        catalog.find(settings(), model_id)
    except ModelUnavailable as error:
        raise InvalidField("model", str(error)) from None
    return model_id


def _preferred(session: Session, user_id: UUID) -> str | None:
    preferences = session.scalars(select(User.preferences).where(User.id == user_id)).one()
    preferred: str | None = preferences.get("model")
    return preferred
