"""The hit rate is the share of prompt tokens that was read; what it saved is computed by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batchtui.core.batches.cache_use import cache_use
from batchtui.core.batches.price import STANDARD, Tokens, Usage

AT = datetime(2026, 11, 20, tzinfo=UTC)
M = 1_000_000
READ = Usage("claude-sonnet-4-6", Tokens(input=2 * M, output=M, cache_creation_1h=M, cache_read=7 * M))
"""Without a cache, 10M at 3 dollars: 30. With it 2M at 3, 1M at 6, 7M at 0.30: 14.10. In a batch half of that."""


def test_reads_save_what_they_would_have_cost() -> None:
    found = cache_use([READ], AT)
    assert found
    assert (found.read, found.written, found.prompt, found.hit_rate) == (7 * M, M, 10 * M, 0.7)
    assert found.saved_usd == pytest.approx(7.95)
    assert found.words == "70 % of 10,000,000 prompt tokens read from the cache, $7.95 saved"
    dearer = cache_use([READ], AT, STANDARD)
    assert dearer
    assert dearer.saved_usd == pytest.approx(15.90)


def test_writes_that_nobody_reads_cost_more_and_that_is_said() -> None:
    found = cache_use([Usage("claude-sonnet-4-6", Tokens(cache_creation_5m=M))], AT)
    assert found
    assert (found.hit_rate, found.saved_usd) == (0, pytest.approx(-0.375))
    assert found.words == "0 % of 1,000,000 prompt tokens read from the cache, $0.38 more than without"


def test_without_cached_tokens_there_is_nothing_to_say_and_without_a_price_no_amount() -> None:
    assert cache_use([Usage("claude-sonnet-4-6", Tokens(input=5))], AT) is None
    assert cache_use([], AT) is None
    found = cache_use([READ, Usage("claude-novel-9", Tokens(input=10 * M))], AT)
    assert found
    assert (found.hit_rate, found.saved_usd) == (0.35, None)
    assert found.words == "35 % of 20,000,000 prompt tokens read from the cache"
