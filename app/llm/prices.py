"""What a model call costs."""

from __future__ import annotations

from decimal import Decimal

import genai_prices

from app.llm.types import Usage

FREE = ("local", "scripted")
MICROCENT = Decimal("0.000001")


def cost_in_cents(model_id: str, usage: Usage) -> Decimal | None:
    """US cents to six places, by the price list that genai-prices carries; None where it does not know the model.

    Never zero for an unknown model: free and unknown are different answers. `local` and `scripted` run on your machine
    and cost nothing. Anthropic's surcharge for writing its cache is not known here.
    """
    provider, _, name = model_id.partition("/")
    if provider in FREE:
        return Decimal(0).quantize(MICROCENT)
    counted = genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cached_tokens,
        output_tokens=usage.completion_tokens,
    )
    try:
        price = genai_prices.calc_price(counted, name, provider_id=provider)
    except (LookupError, ValueError):
        return None
    return (price.total_price * 100).quantize(MICROCENT)
