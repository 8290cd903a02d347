"""Runs the migrations against the application's own engine."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from flask import current_app

from app import models
from app.clock import UtcDateTime
from app.database import transaction
from app.extensions import Base
from app.models.columns import Cents

OUR_TYPES = {UtcDateTime: "app.clock", Cents: "app.models.columns"}


def render(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our column types by their names and import them."""
    module = OUR_TYPES.get(type(item)) if kind == "type" else None
    if module is None:
        return False
    autogen.imports.add(f"from {module} import {type(item).__name__}")
    return f"{type(item).__name__}()"


with transaction() as session:
    context.configure(
        connection=session.connection(),
        target_metadata=Base.metadata,
        render_item=render,
        **current_app.extensions["migrate"].configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()

assert models  # imported so that every table is registered
