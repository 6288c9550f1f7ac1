"""What requests cost, from the tokens in their results. Prices come from `genai-prices`, which does not know batches.

Everything in a batch costs half of the standard price: input, output, cache writes and cache reads alike (the
discounts stack; https://docs.claude.com/en/docs/about-claude/pricing). As far as is documented, web searches are not
halved.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from genai_prices import Usage as Priced

HALF = Decimal("0.5")
"""The share of the standard price that a batch pays."""

STANDARD = Decimal(1)
"""The share of the standard price that a request outside a batch pays."""

US_ONLY = Decimal("1.1")
"""The factor that `inference_geo: "us"` puts on the price of every kind of token."""

PRICED_AS = {"claude-mythos-5": "claude-fable-5", "claude-mythos-5-1": "claude-fable-5-1"}
"""Models that cost what another does (https://docs.claude.com/en/docs/about-claude/pricing), if genai-prices does not
know them."""

EDGES = (200_000, 100_000)
"""Prompt sizes in tokens above which some models have another price for all tokens of the request."""


class Tokens(Struct, frozen=True, omit_defaults=True, gc=False):
    """Tokens by kind; each kind has its own price. `input` counts tokens neither written to nor read from a cache."""

    input: int = 0
    output: int = 0
    cache_creation_5m: int = 0
    cache_creation_1h: int = 0
    cache_read: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.cache_creation_5m + other.cache_creation_5m,
            self.cache_creation_1h + other.cache_creation_1h,
            self.cache_read + other.cache_read,
        )


class Usage(Struct, frozen=True, omit_defaults=True):
    """The sum over all requests that pay the same price per token.

    `prompt_over` is the largest of `EDGES` that each of their prompts exceeded, else 0; `inference_geo` is where they
    ran, according to the API.
    """

    model: str
    tokens: Tokens
    requests: int = 1
    prompt_over: int = 0
    inference_geo: str = ""
    web_searches: int = 0


class Bill(Struct, frozen=True):
    """US dollars; `saved_usd` is relative to the standard price of the same tokens.

    Both are None, never zero, if a model's price is not known; `unpriced` names those models.
    """

    actual_usd: float | None
    saved_usd: float | None
    unpriced: tuple[str, ...] = ()


def prompt_over(prompt: int) -> int:
    """The largest edge that a prompt of this many tokens (including cached ones) exceeds; 0 if none."""
    return 0 if prompt <= EDGES[-1] else next(edge for edge in EDGES if prompt > edge)


def bill(usage: Iterable[Usage], at: datetime, share: Decimal = HALF) -> Bill:
    """What these requests cost at the prices of the time `at`, if they pay `share` of the standard price."""
    tokens_usd = searches_usd = Decimal(0)
    unpriced = set()
    for part in usage:
        try:
            tokens, searches = _standard(part, at)
        except LookupError:
            unpriced.add(part.model)
            continue
        tokens_usd += tokens
        searches_usd += searches
    if unpriced:
        return Bill(None, None, tuple(sorted(unpriced)))
    saved = tokens_usd * (1 - share)
    return Bill(float(tokens_usd - saved + searches_usd), float(saved))


def _standard(part: Usage, at: datetime) -> tuple[Decimal, Decimal]:
    """Dollars for tokens and for searches outside a batch. Raises LookupError if the model's price is not known."""
    from genai_prices import Usage as Priced  # takes 0.3 s

    # The tier depends on a single prompt, but this is a sum of many: price one prompt of the right size, per token.
    one = part.prompt_over + 1
    read, written = Priced(input_tokens=one, cache_read_tokens=one), Priced(input_tokens=one, cache_write_tokens=one)
    written_1h = Priced(input_tokens=one, cache_write_tokens=one, cache_write_1h_tokens=one)
    plain = _price(part.model, at, Priced(input_tokens=one))
    kinds = (
        (part.tokens.input, plain),
        (part.tokens.output, _price(part.model, at, Priced(input_tokens=one, output_tokens=one)) - plain),
        (part.tokens.cache_creation_5m, _price(part.model, at, written)),
        (part.tokens.cache_creation_1h, _price(part.model, at, written_1h)),
        (part.tokens.cache_read, _price(part.model, at, read)),
    )
    total = sum((count * price / one for count, price in kinds), Decimal(0))
    place = US_ONLY if part.inference_geo == "us" else Decimal(1)
    searches = _price(part.model, at, Priced(web_searches=part.web_searches)) if part.web_searches else Decimal(0)
    return total * place, searches


def _price(model: str, at: datetime, usage: Priced) -> Decimal:
    from genai_prices import calc_price

    try:
        return calc_price(usage, model, provider_id="anthropic", genai_request_timestamp=at).total_price
    except LookupError:
        if model not in PRICED_AS:
            raise
    return calc_price(usage, PRICED_AS[model], provider_id="anthropic", genai_request_timestamp=at).total_price
