"""What a model call costs."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

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
    if not _is_listed(provider, name):
        return None
    counted = genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cached_tokens,
        output_tokens=usage.completion_tokens,
    )
    try:
        price = genai_prices.calc_price(counted, name, provider_id=provider)
    except ValueError:
        return None
    return (price.total_price * 100).quantize(MICROCENT)


@lru_cache(maxsize=1000)
def _is_listed(provider: str, name: str) -> bool:
    """Whether there is a price. The library keeps what it finds; what it does not know it would look for each time."""
    try:
        genai_prices.calc_price(genai_prices.Usage(input_tokens=1, output_tokens=1), name, provider_id=provider)
    except LookupError:
        return False
    except ValueError:  # the counts of a real call may be priced all the same
        return True
    return True
