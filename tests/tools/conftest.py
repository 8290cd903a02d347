from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from app.tools.context import ToolContext
from tests.tools.site import Site

NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)

MakeContext = Callable[..., ToolContext]


@pytest.fixture
def make_context() -> MakeContext:
    """A reply's context at a fixed moment; keyword arguments replace values."""

    def make(**changed: object) -> ToolContext:
        values: dict[str, object] = {"user_id": "u", "thread_id": "t", "now": NOW}
        return ToolContext(**(values | changed))

    return make


@pytest.fixture
def context(make_context: MakeContext) -> ToolContext:
    return make_context()


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server of the test's own on this machine."""
    with Site() as running:
        yield running
