"""A tool: what the model is told of it, how its arguments are checked, and the call itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.tools.arguments import checked, model_of, parsed, schema_of, takes_context
from app.tools.context import ToolContext
from app.tools.outcome import Outcome
from app.tools.result import outcome_of
from app.tools.rule import NEVER, Rule

RESULT_CHARS = 20_000
TIMEOUT_SECONDS = 30.0

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """One function a model may call.

    `parameters` is a JSON Schema object; `timeout_seconds` the longest a call may take; `result_chars` the longest
    result in code points. A call of an `idempotent` tool may be repeated after a crash; one marked `approval` needs a
    person's yes first. `worth` says for which messages it is offered unasked.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    validate: Callable[[Arguments], Arguments]
    run: Callable[[Arguments, ToolContext], Outcome]
    timeout_seconds: float = TIMEOUT_SECONDS
    result_chars: int = RESULT_CHARS
    idempotent: bool = False
    approval: bool = False
    worth: Rule = NEVER

    def validated(self, arguments_json: str) -> Arguments:
        """The arguments as JSON values, defaults filled in. Raises BadArguments with a sentence for the model."""
        return self.validate(parsed(arguments_json))

    def call(self, arguments: Arguments, context: ToolContext) -> Outcome:
        """Run it here and now, without a time limit (app/tools/running.py has one). Raises whatever it raises."""
        return self.run(arguments, context)


def tool(
    *,
    name: str | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    result_chars: int = RESULT_CHARS,
    idempotent: bool = False,
    approval: bool = False,
    worth: Rule = NEVER,
) -> Callable[[Callable[..., object]], Tool]:
    """Make a typed function a Tool: its docstring is the description, its signature the schema.

    A first parameter of type ToolContext is filled in and not shown to the model. The function returns an Outcome,
    text, or anything that can be JSON.
    """

    def made(function: Callable[..., object]) -> Tool:
        model = model_of(function)
        given = takes_context(function)

        def run(arguments: Arguments, context: ToolContext) -> Outcome:
            values = dict(checked(model, arguments))
            return outcome_of(function(context, **values) if given else function(**values))

        return Tool(
            name=name or function.__name__,
            description=inspect.cleandoc(function.__doc__ or ""),
            parameters=schema_of(model),
            validate=lambda arguments: checked(model, arguments).model_dump(mode="json"),
            run=run,
            timeout_seconds=timeout_seconds,
            result_chars=result_chars,
            idempotent=idempotent,
            approval=approval,
            worth=worth,
        )

    return made
