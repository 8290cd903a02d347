"""The tool that asks the person."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.tools.outcome import Question
from app.tools.rule import QUESTIONS
from app.tools.tool import tool

Option = Annotated[str, Field(min_length=1, max_length=200)]


@tool(timeout_seconds=5, idempotent=True, worth=QUESTIONS)
def ask_user(
    question: Annotated[str, Field(min_length=1, max_length=2_000, description="One clear question.")],
    options: Annotated[
        list[Option], Field(max_length=10, description="Answers to choose from; leave out for a free answer.")
    ] = [],  # noqa: B006 - pydantic copies it
) -> Question:
    """Ask the user and get the answer. Only for what you cannot find out or decide yourself."""
    return Question(question.strip(), tuple(dict.fromkeys(option.strip() for option in options)))
