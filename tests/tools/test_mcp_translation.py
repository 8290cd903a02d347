from __future__ import annotations

import re
from typing import Any

import pytest
from mcp.types import (
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from mcp.types import Tool as ListedTool

from app.tools.context import ToolContext
from app.tools.errors import BadArguments, ToolFailed
from app.tools.mcp.config import Server
from app.tools.mcp.translation import Unusable, name_of, outcome_of, server_in, tool_of
from app.tools.outcome import Done
from app.tools.tool import Arguments, Tool


def result(*content: ContentBlock, **values: Any) -> CallToolResult:
    return CallToolResult(content=list(content), **values)


def text(words: str) -> TextContent:
    return TextContent(type="text", text=words)


def never_called(arguments: Arguments, context: ToolContext) -> CallToolResult:
    raise AssertionError("called")


def made(schema: dict[str, Any], **values: Any) -> Tool:
    listed = ListedTool(name="look", input_schema=schema, **values)
    return tool_of("files", Server(command="x", approval=("erase",)), listed, never_called)


@pytest.mark.parametrize("tool", ["look", "look.up", "größe", "x" * 100, "a b", "a/b", ""])
def test_every_name_fits_every_provider_and_leads_back_to_its_server(tool: str) -> None:
    name = name_of("my_files", tool)
    assert re.fullmatch("[A-Za-z0-9_-]{1,64}", name)
    assert server_in(name) == "my_files"


def test_names_that_had_to_be_changed_stay_apart() -> None:
    tools = ["a b", "a.b", "a/b", "a_b", "x" * 100, "x" * 101]
    assert len({name_of("s", tool) for tool in tools}) == len(tools)
    assert name_of("s", "a_b") == "s__a_b"


def test_a_tool_of_the_house_belongs_to_no_server() -> None:
    assert server_in("fetch_url") == ""


def test_a_schema_is_kept_but_for_what_providers_refuse_at_its_top() -> None:
    tool = made(
        {
            "$schema": "x",
            "title": "Look",
            "type": ["object", "null"],
            "properties": {"title": {"type": "string"}, "a-b.c": {"anyOf": [{"$ref": "#/$defs/A"}, True]}},
            "anyOf": [{"required": ["title"]}],
            "$defs": {"A": {"enum": [1]}},
            "required": ["title"],
            "additionalProperties": False,
        }
    )
    assert tool.parameters == {
        "type": "object",
        "properties": {"title": {"type": "string"}, "a-b.c": {"anyOf": [{"$ref": "#/$defs/A"}, True]}},
        "$defs": {"A": {"enum": [1]}},
        "required": ["title"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": None}])
def test_a_tool_without_parameters_has_an_empty_object(schema: dict[str, Any]) -> None:
    assert made(schema).parameters == {"type": "object", "properties": {}}


def nested(levels: int) -> dict[str, Any]:
    return {"properties": {"a": nested(levels - 1)}} if levels else {}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"properties": {"a b": {}}}, "no provider takes a parameter called 'a b'"),
        ({"properties": {"x" * 65: {}}}, "no provider takes a parameter called 'xxx"),
        ({"properties": ["a"]}, "its parameters are no object"),
        ({"properties": {"a": {"description": "x" * 30_000}}}, "its schema is longer than 30,000 bytes"),
        ({"properties": {"a": {"description": "\x00"}}}, "its schema holds a NUL character"),
        (nested(40), "its schema is nested more than 32 levels deep"),
    ],
)
def test_a_tool_that_would_spoil_the_whole_request_is_left_out_with_a_reason(
    schema: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Unusable, match=re.escape(reason)):
        made(schema)


def test_a_tool_is_described_by_whatever_it_says_of_itself() -> None:
    assert made({}, description=" Look it up. ").description == "Look it up."
    assert made({}, title="Look").description == "Look"
    assert made({}).description == "look"
    assert len(made({}, description="x" * 9_000).description) == 4_000


@pytest.mark.parametrize(
    ("hints", "idempotent", "approval"),
    [
        (None, False, False),
        (ToolAnnotations(read_only_hint=True), True, False),
        (ToolAnnotations(idempotent_hint=True, destructive_hint=True), True, True),
        (ToolAnnotations(read_only_hint=False, idempotent_hint=False, destructive_hint=False), False, False),
    ],
)
def test_hints_are_believed(hints: ToolAnnotations | None, idempotent: bool, approval: bool) -> None:
    tool = made({}, annotations=hints)
    assert (tool.idempotent, tool.approval) == (idempotent, approval)


def test_arguments_must_be_an_object_and_clean() -> None:
    assert made({}).validated('{"a": 1}') == {"a": 1}
    with pytest.raises(BadArguments):
        made({}).validated("[1]")


def test_parts_of_text_are_joined_and_other_parts_are_described() -> None:
    outcome = outcome_of(
        result(
            text("one"),
            ImageContent(type="image", data="QUJD" * 10, mime_type="image/png"),
            ResourceLink(type="resource_link", name="two", uri="file:///two"),
            EmbeddedResource(
                type="resource", resource=BlobResourceContents(uri="file:///b", blob="QUJD", mime_type="x/y")
            ),
            EmbeddedResource(type="resource", resource=TextResourceContents(uri="file:///t", text="three")),
        )
    )
    assert outcome == Done(
        "one\n\n[image/png of about 30 bytes, not included]\n\n[a link: file:///two]\n\n"
        "[x/y of about 3 bytes, not included]\n\nthree"
    )


def test_structured_content_is_told_as_json_where_there_is_no_text() -> None:
    assert outcome_of(result(structured_content={"a": [1]})) == Done('{"a":[1]}')
    assert outcome_of(result(text("a is 1"), structured_content={"a": [1]})) == Done("a is 1")


def test_an_empty_result_is_said_so() -> None:
    assert outcome_of(result()) == Done("Done; the tool gave no result.")


def test_a_failure_is_told_in_short() -> None:
    with pytest.raises(ToolFailed) as failed:
        outcome_of(result(text("x" * 9_000), is_error=True))
    assert len(str(failed.value)) == 2_000
    with pytest.raises(ToolFailed, match="did not say why"):
        outcome_of(result(is_error=True))
