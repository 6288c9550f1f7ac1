"""What the batch screen says about the results, from their summary alone."""

from __future__ import annotations

from datetime import UTC, datetime

from batchtui.core.batches.cache_use import CacheUse
from batchtui.core.batches.remote import Counts
from batchtui.core.results.summary import Summary
from batchtui.tui.screens.batch import facts

AT = datetime(2026, 11, 20, tzinfo=UTC)


def summary(cache: CacheUse | None) -> Summary:
    return Summary(batch_id="b", name="n", requests=1, counts=Counts(), sha256="", bytes=1, verified_at=AT, cache=cache)


def test_the_hit_rate_and_what_it_saved_are_said_if_something_was_cached() -> None:
    assert ("cache", "75 % of 400 prompt tokens read from the cache, $1.50 saved") in facts(
        summary(CacheUse(300, 50, 400, 0.75, 1.5))
    )
    assert "cache" not in dict(facts(summary(None)))
