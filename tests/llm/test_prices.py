from __future__ import annotations

from decimal import Decimal

import pytest

from app.llm.catalog import KNOWN
from app.llm.prices import cost_in_cents
from app.llm.types import Usage


def test_a_known_model_costs_what_its_price_list_says() -> None:
    # gpt-4o: $2.50 a million in, $1.25 cached, $10 out
    assert cost_in_cents("openai/gpt-4o", Usage(1_000_000, 100_000)) == Decimal("350.000000")
    assert cost_in_cents("openai/gpt-4o", Usage(1_000_000, 0, cached_tokens=1_000_000)) == Decimal("125.000000")


def test_a_small_cost_keeps_six_places() -> None:
    assert cost_in_cents("openai/gpt-4o", Usage(1, 1)) == Decimal("0.001250")


@pytest.mark.parametrize(
    "model_id",
    ["openai/fake-t200", "openai/llama3:8b", "anthropic/gpt-4o", "deepseek/nothing", "unheard/of", "nonsense", ""],
)
def test_an_unknown_model_has_no_cost_rather_than_none_to_pay(model_id: str) -> None:
    assert cost_in_cents(model_id, Usage(1_000, 1_000)) is None


def test_counts_that_contradict_each_other_have_no_cost() -> None:
    assert cost_in_cents("openai/gpt-4o", Usage(1, 1, cached_tokens=5)) is None


@pytest.mark.parametrize("model_id", ["local/smollm2", "scripted/echo"])
def test_what_runs_on_this_machine_is_free(model_id: str) -> None:
    assert cost_in_cents(model_id, Usage(1_000, 1_000)) == 0


def test_every_model_of_the_menu_has_a_price() -> None:
    for provider, known in KNOWN.items():
        for model in known:
            assert cost_in_cents(f"{provider}/{model.name}", Usage(10, 10)) is not None, model.name
