"""What `check` says about the API's cache: what the requests share, and which system prompts go into it."""

from __future__ import annotations

from collections.abc import Sequence

from batchtui.core.cost.cache_advice import RATES, Advice, in_words
from batchtui.core.cost.system_cache import SystemCache
from batchtui.core.text import inert_line
from batchtui.tui.cli.check_records import CacheRecord, SystemCacheRecord

Steps = Sequence[tuple[str, SystemCache]]
"""Steps by name, with what becomes of their system prompts."""


def cached(advice: Advice | None, steps: Steps, *, job: bool) -> list[str]:
    """One or two lines on what a cache would do, if that matters, and a line for each system prompt of a job that wants
    it."""
    lines = in_words(advice, job=job) if not any(one.ttl for _, one in steps) else []
    for name, one in steps:
        words = f"system_cache of {inert_line(name, 60)}: {one.ttl or 'none'}"
        lines.append(f"{words}{f' by {one.asked}' if one.asked != one.ttl else ''}, {one.words}")
    return lines


def cache_json(advice: Advice | None, steps: Steps) -> CacheRecord | None:
    """The same for scripts; None if the requests share nothing and no step wants a cache."""
    if advice is None and not steps:
        return None
    shared = advice.shared if advice else None
    usd = advice.usd if advice else None
    return CacheRecord(
        model=shared.model if shared else None,
        requests=shared.requests if shared else None,
        shared=list(shared.parts) if shared else [],
        tokens=shared.total if shared else 0,
        more_tokens=shared.more if shared else 0,
        minimum_tokens=advice.smallest if advice else None,
        long_enough=bool(advice and advice.long_enough),
        marked=bool(shared and shared.marked),
        uncached_usd=advice.plain_usd if advice else None,
        usd_5m=list(usd["5m"]) if usd else None,
        usd_1h=list(usd["1h"]) if usd else None,
        hit_rates=list(RATES),
        worth=advice.worth if advice else None,
        system_cache=[SystemCacheRecord(step=name, asked=one.asked, ttl=one.ttl, why=one.words) for name, one in steps],
    )
