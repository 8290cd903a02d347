"""/api/tools: which tools a model can be given."""

from __future__ import annotations

from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict

from app.api.answers import listing
from app.api.blueprint import group
from app.auth import door
from app.chat.paging import Page
from app.tools.registry import BUILT_IN

routes = group("tools", "Tools that models may call.")


class ToolObject(BaseModel):
    """One tool; `parameters` is a JSON Schema. With `approval` a person is asked before each call; a call of an
    `idempotent` one may be repeated after a crash."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    description: str
    parameters: dict[str, Any]
    approval: bool
    idempotent: bool


class ToolList(BaseModel):
    """The tools that are built in."""

    data: list[ToolObject]
    next_cursor: str | None


@routes.get("/tools", summary="List tools", responses={200: ToolList})
def list_tools() -> Response:
    """The tools that are built in; their names, and those of servers' tools, go into `tools`."""
    door.who()
    return listing(Page([ToolObject.model_validate(tool) for tool in BUILT_IN.values()], None))
