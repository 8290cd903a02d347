"""From MCP's words into ours: tools, and the results of calls."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)
from mcp.types import Tool as ListedTool
from pydantic_core import to_json

from app.text import UncleanText, clean_all
from app.tools.context import ToolContext
from app.tools.errors import ToolFailed
from app.tools.mcp.config import Server
from app.tools.outcome import Done, Outcome
from app.tools.tool import Arguments, Tool

_SEPARATOR = "__"
_LONGEST_NAME = 64
_LONGEST_DESCRIPTION = 4_000
_LONGEST_SCHEMA = 30_000
_LONGEST_FAILURE = 2_000
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# At the top of a schema some providers refuse these, and with them the whole request. The server checks anyway.
_REFUSED_AT_TOP = {"$schema", "$id", "anyOf", "oneOf", "allOf", "not", "enum", "const", "if", "then", "else", "title"}


class Unusable(ValueError):
    """The tool cannot be offered to a model; the message says why."""


def name_of(server: str, tool: str) -> str:
    """`server__tool`, made to fit what every provider takes as a name; one that was changed ends in a short hash."""
    plain = f"{server}{_SEPARATOR}{tool}"
    fit = _NOT_IN_NAMES.sub("_", plain)
    if fit == plain and len(plain) <= _LONGEST_NAME:
        return plain
    mark = hashlib.sha256(tool.encode()).hexdigest()[:8]
    return f"{fit[: _LONGEST_NAME - len(mark) - 1]}_{mark}"


def server_in(name: str) -> str:
    """The server that `name`, of a tool or `server__*`, belongs to; empty for a tool of the house."""
    server, separator, _ = name.partition(_SEPARATOR)
    return server if separator else ""


def tool_of(
    server_name: str, server: Server, listed: ListedTool, call: Callable[[Arguments, ToolContext], CallToolResult]
) -> Tool:
    """A Tool that calls the server. Raises Unusable where no provider would take it."""
    hints = listed.annotations
    return Tool(
        name=name_of(server_name, listed.name),
        description=_described(listed),
        parameters=_schema(listed.input_schema),
        # The server knows its schema best; what it does not like it says, and the model reads that.
        validate=dict,
        run=lambda arguments, context: outcome_of(call(arguments, context)),
        timeout_seconds=server.timeout_seconds + 1,  # the call itself ends a little earlier, with a better sentence
        idempotent=bool(hints and (hints.read_only_hint or hints.idempotent_hint)),
        approval=listed.name in server.approval or bool(hints and hints.destructive_hint),
    )


def outcome_of(result: CallToolResult) -> Outcome:
    """What the model is told of a result. Raises ToolFailed where the tool says that it failed."""
    parts = [_told(part) for part in result.content]
    if result.structured_content is not None and not any(isinstance(part, TextContent) for part in result.content):
        parts.append(to_json(result.structured_content).decode())
    text = "\n\n".join(part for part in parts if part)
    if result.is_error:
        raise ToolFailed(text[:_LONGEST_FAILURE] or "The tool failed and did not say why.")
    return Done(text or "Done; the tool gave no result.")


def _told(part: ContentBlock) -> str:
    match part:
        case TextContent():
            return part.text
        case ImageContent() | AudioContent():
            return _left_out(part.mime_type, part.data)
        case ResourceLink():
            return f"[a link: {part.uri}]"
        case EmbeddedResource(resource=BlobResourceContents() as blob):
            return _left_out(blob.mime_type or "binary", blob.blob)
        case EmbeddedResource():
            return part.resource.text if not isinstance(part.resource, BlobResourceContents) else ""


def _left_out(kind: str, base64: str) -> str:
    return f"[{kind} of about {len(base64) * 3 // 4:,} bytes, not included]"


def _described(listed: ListedTool) -> str:
    return (listed.description or listed.title or listed.name).strip()[:_LONGEST_DESCRIPTION]


def _schema(given: Mapping[str, Any]) -> Mapping[str, Any]:
    if len(to_json(given)) > _LONGEST_SCHEMA:
        raise Unusable(f"its schema is longer than {_LONGEST_SCHEMA:,} bytes")
    try:
        schema = clean_all(dict(given))
    except UncleanText as error:
        raise Unusable(f"its schema {error}") from None
    properties = schema.get("properties") or {}
    if not isinstance(properties, dict):
        raise Unusable("its parameters are no object")
    for name in properties:
        if not _PROPERTY.fullmatch(name):
            raise Unusable(f"no provider takes a parameter called {name[:64]!r}")
    kept = {key: value for key, value in schema.items() if key not in _REFUSED_AT_TOP}
    return {**kept, "type": "object", "properties": properties}
