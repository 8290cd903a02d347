"""Which model writes a reply: what the message says, else the thread, else the user, else the default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.chat.errors import InvalidField
from app.extensions import settings
from app.llm import catalog
from app.llm.errors import ModelUnavailable
from app.models import User


def model(session: Session, user_id: UUID, of_thread: Mapping[str, Any], wanted: str | None) -> str:
    """The id of a model that can be asked now; `of_thread` are the thread's settings. Raises InvalidField (model)."""
    chosen = wanted or of_thread.get("model") or _preferred(session, user_id)
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
