"""How much of the prompts was read from the API's cache, and what that saved. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.price import HALF, Tokens, Usage, bill
from batchtui.core.text import money, number


class CacheUse(Struct, frozen=True):
    """Tokens of all prompts: how many were `read` from a cache, how many `written` to it, and how many there were.

    `hit_rate` is the share that was read. `saved_usd` is what the same prompts would have cost more without a cache:
    below zero if writing cost more than reading saved, None if a price is not known.
    """

    read: int
    written: int
    prompt: int
    hit_rate: float
    saved_usd: float | None

    @property
    def words(self) -> str:
        """`62 % of 1,200,000 prompt tokens read from the cache, $1.20 saved`."""
        said = f"{self.hit_rate:.0%} of {number(self.prompt)} prompt tokens read from the cache".replace("%", " %", 1)
        if self.saved_usd is None:
            return said
        by = f"{money(self.saved_usd)} saved" if self.saved_usd >= 0 else f"{money(-self.saved_usd)} more than without"
        return f"{said}, {by}"


def cache_use(usage: Sequence[Usage], at: datetime, share: Decimal = HALF) -> CacheUse | None:
    """What a cache did for these requests, at the prices of the time `at`; None if it held nothing."""
    tokens = sum((part.tokens for part in usage), Tokens())
    written = tokens.cache_creation_5m + tokens.cache_creation_1h
    if not tokens.cache_read + written:
        return None
    with_cache = bill(usage, at, share).actual_usd
    without = bill([replace(part, tokens=_uncached(part.tokens)) for part in usage], at, share).actual_usd
    saved = None if with_cache is None or without is None else without - with_cache
    prompt = tokens.input + written + tokens.cache_read
    return CacheUse(tokens.cache_read, written, prompt, tokens.cache_read / prompt, saved)


def _uncached(tokens: Tokens) -> Tokens:
    plain = tokens.input + tokens.cache_creation_5m + tokens.cache_creation_1h + tokens.cache_read
    return Tokens(input=plain, output=tokens.output)
