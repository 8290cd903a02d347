"""The tool that searches the user's own earlier messages."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.tools.context import ToolContext
from app.tools.rule import EARLIER
from app.tools.tool import tool


@tool(timeout_seconds=15, idempotent=True, worth=EARLIER)
def search_threads(
    context: ToolContext,
    query: Annotated[str, Field(min_length=1, max_length=400, description="Words to look for.")],
    limit: Annotated[int, Field(ge=1, le=20, description="Most messages to return.")] = 5,
) -> object:
    """Search the user's own messages in all of their threads, best match first."""
    found = context.search(query, limit)[:limit]
    if not found:
        return f"Nothing found for {query!r}."
    return [
        {
            "thread_id": each.thread_id,
            "message_id": each.message_id,
            "title": each.title,
            "excerpt": each.excerpt,
            "at": each.at.isoformat(timespec="seconds"),
        }
        for each in found
    ]
