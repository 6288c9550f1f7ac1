"""Costs match figures computed by hand: half of the standard price per kind of token, and never zero for "unknown"."""

from datetime import UTC, datetime

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices

from batchtui.core.batches.price import EDGES, Bill, Tokens, Usage, bill, prompt_over

AT = datetime(2026, 11, 20, tzinfo=UTC)
M = 1_000_000

# Standard prices in US dollars per million tokens: input, 5m write, 1h write, cache read, output.
TABLE = [
    ("claude-fable-5-2", 0, (8, 10, 16, 0.20, 40)),
    ("claude-mythos-5-2", 0, (8, 10, 16, 0.20, 40)),
    ("claude-fable-5-1", 0, (10, 12.5, 20, 0.25, 50)),
    ("claude-fable-5", 0, (10, 12.5, 20, 1.00, 50)),
    ("claude-opus-5-5", 0, (4, 5, 8, 0.20, 20)),
    ("claude-opus-5", 0, (5, 6.25, 10, 0.50, 25)),
    ("claude-opus-4-6", 200_000, (5, 6.25, 10, 0.50, 25)),
    ("claude-opus-4-5-20251101", 0, (5, 6.25, 10, 0.50, 25)),
    ("claude-sonnet-5-5", 0, (2, 2.5, 4, 0.10, 10)),
    ("claude-sonnet-5", 0, (2, 2.5, 4, 0.20, 10)),
    ("claude-sonnet-4-6", 200_000, (3, 3.75, 6, 0.30, 15)),
    ("claude-sonnet-4-5-20250929", 0, (3, 3.75, 6, 0.30, 15)),
    ("claude-haiku-5-5", 0, (0.10, 0.125, 0.20, 0.01, 0.50)),
    ("claude-haiku-5-5", 100_000, (0.50, 0.625, 1.00, 0.05, 2.50)),
    ("claude-haiku-4-5-20251001", 0, (1, 1.25, 2, 0.10, 5)),
]


@pytest.mark.parametrize(("model", "over", "prices"), TABLE)
def test_each_kind_of_token_costs_half_of_its_published_price(
    model: str, over: int, prices: tuple[float, float, float, float, float]
) -> None:
    kinds = (
        Tokens(input=M),
        Tokens(cache_creation_5m=M),
        Tokens(cache_creation_1h=M),
        Tokens(cache_read=M),
        Tokens(output=M),
    )
    for tokens, price in zip(kinds, prices, strict=True):
        owed = bill([Usage(model, tokens, prompt_over=over)], AT)
        assert owed == Bill(pytest.approx(price / 2), pytest.approx(price / 2)), tokens


def test_parts_add_up_to_what_a_hand_calculation_gives() -> None:
    owed = bill(
        [
            Usage("claude-sonnet-5-5", Tokens(2 * M, M, 400_000, 100_000, 3 * M), 500),
            Usage("claude-haiku-5-5", Tokens(M, M), 900),
        ],
        AT,
    )
    # 2 x 2 + 10 + 0.4 x 2.5 + 0.1 x 4 + 3 x 0.1 = 15.70, and 0.10 + 0.50 = 0.60; half of 16.30
    assert owed == Bill(pytest.approx(8.15), pytest.approx(8.15))


def test_the_tier_goes_by_one_prompt_not_by_the_sum_of_many() -> None:
    assert (prompt_over(100_000), prompt_over(100_001), prompt_over(200_001)) == (0, 100_000, 200_000)
    many = bill([Usage("claude-haiku-5-5", Tokens(input=100 * M), 1000)], AT)
    assert many.actual_usd == pytest.approx(100 * 0.05)


def test_every_tier_of_an_anthropic_model_begins_at_an_edge_that_usage_is_split_at() -> None:
    (provider,) = [provider for provider in get_snapshot().providers if provider.id == "anthropic"]
    starts = set()
    for model in provider.models:
        prices = [model.prices] if isinstance(model.prices, ModelPrice) else [part.prices for part in model.prices]
        for price in prices:
            if isinstance(price.input_mtok, TieredPrices):
                starts |= {tier.start for tier in price.input_mtok.tiers}
    assert starts
    assert starts <= set(EDGES)


def test_a_price_that_changed_goes_by_when_the_batch_was_made() -> None:
    long = [Usage("claude-opus-4-6", Tokens(input=M), prompt_over=200_000)]
    assert bill(long, datetime(2026, 3, 12, tzinfo=UTC)).actual_usd == pytest.approx(5.0)
    assert bill(long, datetime(2026, 3, 14, tzinfo=UTC)).actual_usd == pytest.approx(2.5)


def test_running_in_the_us_only_costs_a_tenth_more_on_every_kind() -> None:
    tokens = Tokens(M, M, M, M, M)
    usual = bill([Usage("claude-opus-5", tokens, inference_geo="global")], AT).actual_usd
    us = bill([Usage("claude-opus-5", tokens, inference_geo="us")], AT).actual_usd
    assert usual is not None
    assert us == pytest.approx(usual * 1.1)


def test_web_searches_are_not_halved() -> None:
    assert bill([Usage("claude-opus-5", Tokens(), web_searches=1000)], AT) == Bill(10.0, 0.0)


def test_an_unknown_model_makes_the_cost_unknown_and_is_named() -> None:
    known, unknown = Usage("claude-opus-5", Tokens(input=M)), Usage("claude-novel-9", Tokens(input=1))
    assert bill([known, unknown, Usage("", Tokens())], AT) == Bill(None, None, ("", "claude-novel-9"))


def test_nothing_used_costs_nothing() -> None:
    assert bill([], AT) == Bill(0.0, 0.0)
