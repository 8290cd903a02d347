from __future__ import annotations

import json
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from app.tools.context import ToolContext
from app.tools.errors import BadArguments, ToolFailed
from app.tools.outcome import Done
from app.tools.tool import tool


class Point(BaseModel):
    title: str
    x: int


@tool(timeout_seconds=3, result_chars=50, idempotent=True)
def draw(
    context: ToolContext,
    points: Annotated[list[Point], Field(min_length=1, description="Where to draw.")],
    colour: Literal["red", "blue"] = "red",
) -> dict[str, object]:
    """Draw points.

    In one colour.
    """
    return {"thread": context.thread_id, "colour": colour, "x": [point.x for point in points]}


def test_a_typed_function_becomes_a_tool_with_what_a_model_needs_to_know() -> None:
    assert (draw.name, draw.description) == ("draw", "Draw points.\n\nIn one colour.")
    assert (draw.timeout_seconds, draw.result_chars, draw.idempotent, draw.approval) == (3, 50, True, False)


def test_the_schema_comes_from_the_signature_without_the_context_and_without_made_up_titles() -> None:
    assert draw.parameters["required"] == ["points"]
    assert draw.parameters["additionalProperties"] is False
    assert set(draw.parameters["properties"]) == {"points", "colour"}
    assert draw.parameters["properties"]["points"]["description"] == "Where to draw."
    assert "title" not in draw.parameters


def test_a_property_that_is_called_title_stays_in_the_schema() -> None:
    assert draw.parameters["$defs"]["Point"] == {
        "properties": {"title": {"type": "string"}, "x": {"type": "integer"}},
        "required": ["title", "x"],
        "type": "object",
    }


def test_validated_arguments_have_the_defaults_and_survive_a_round_trip_through_json(context: ToolContext) -> None:
    arguments = draw.validated('{"points": [{"title": "a", "x": "3"}]}')
    assert arguments == {"points": [{"title": "a", "x": 3}], "colour": "red"}
    outcome = draw.call(json.loads(json.dumps(arguments)), context)
    assert isinstance(outcome, Done)
    assert json.loads(outcome.result) == {"thread": "t", "colour": "red", "x": [3]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "The argument 'points' is missing."),
        ('{"points": []}', "The argument 'points' is wrong: list should have at least 1 item"),
        ('{"points": [{"title": "a", "x": "y"}]}', "The argument 'points.0.x' is wrong: input should be a valid int"),
        ('{"points": [{"title": "a", "x": 1}], "size": 1}', "The argument 'size' is not known; known are: points, col"),
        (
            '{"points": [{"title": "a", "x": 1}], "colour": "pink"}',
            "The argument 'colour' is wrong: input should be 'r",
        ),
        ("", "The argument 'points' is missing."),
        ('{"points": [', "The arguments are no clean JSON: Expecting value at character 12."),
        ("[1]", 'The arguments must be one JSON object, such as {"name": "value"}.'),
        ('{"points": NaN}', "The arguments are no clean JSON: it holds NaN, which is no JSON."),
        ('{"points": 1e999}', "The arguments are no clean JSON: it holds a number that is too large."),
        ('{"points": "\\ud800"}', "The arguments are no clean JSON: it holds a NUL character or half of a surrogate"),
        (f'{{"points": {"[" * 40}{"]" * 40}}}', "The arguments are no clean JSON: it is nested more than 32"),
        (f'{{"points": {"[" * 90_000}}}', "The arguments are no clean JSON: it has a number or a nesting beyond"),
        (f'{{"points": {"9" * 5_000}}}', "The arguments are no clean JSON: it has a number or a nesting beyond"),
        (f'{{"points": "{"x" * 100_000}"}}', "The arguments are longer than 100,000 characters."),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence_that_names_the_field(text: str, sentence: str) -> None:
    with pytest.raises(BadArguments) as refused:
        draw.validated(text)
    assert str(refused.value).startswith(sentence)
    assert len(str(refused.value)) < 300


def test_a_call_checks_its_arguments_again_because_a_person_may_have_edited_them(context: ToolContext) -> None:
    with pytest.raises(BadArguments, match="The argument 'points' is missing"):
        draw.call({"colour": "red"}, context)


def test_a_parameter_without_a_type_is_a_mistake_of_the_programmer() -> None:
    def vague(anything) -> str:
        return str(anything)

    with pytest.raises(TypeError, match="every parameter of vague needs a type"):
        tool()(vague)


@pytest.mark.parametrize(("value", "result"), [("text", "text"), ({"a": [1, None]}, '{"a":[1,null]}'), (None, "null")])
def test_what_a_function_returns_is_told_as_text_or_json(value: object, result: str, context: ToolContext) -> None:
    @tool()
    def give() -> object:
        """Give it."""
        return value

    assert give.call({}, context) == Done(result)


@pytest.mark.parametrize(("value", "sentence"), [(b"\x00" * 7, "7 bytes of binary"), (object(), "gave a object")])
def test_what_cannot_be_told_is_a_failure(value: object, sentence: str, context: ToolContext) -> None:
    @tool()
    def give() -> object:
        """Give it."""
        return value

    with pytest.raises(ToolFailed, match=sentence):
        give.call({}, context)
