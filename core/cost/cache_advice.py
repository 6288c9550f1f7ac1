"""What a cache would cost or save for the beginning that the requests of a batch share. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from batchtui.core.batches.price import Tokens, Usage, bill, prompt_over
from batchtui.core.cost.cacheable import CAREFUL, HIGHEST, LEAST, LOWEST, Ttl, smallest
from batchtui.core.cost.shared_prefix import Shared
from batchtui.core.text import inert_line, money, number, plural

MANY = 10
"""From so many requests on, a cache is worth a word."""

SPANS: dict[Ttl, str] = {"5m": "5 minutes", "1h": "an hour"}


RATES = (HIGHEST, LOWEST)
"""The shares of the requests that read a cache, for the amounts of a `Range`."""


class Range(NamedTuple):
    """US dollars in a batch, if as many requests read the cache as the API's documentation says at best, and if as few
    do."""

    low: float
    high: float


class Advice(Struct, frozen=True, kw_only=True):
    """What the requests share, and what it costs over all of them: `plain_usd` without a cache, `usd` with a cache of
    5 minutes or an hour. The amounts are None if the model has no price.

    `smallest` is the fewest tokens that the model caches, None if not known. `worth` is the cache that is likely to
    cost the least, None if that is no cache.
    """

    shared: Shared
    smallest: int | None
    plain_usd: float | None
    usd: dict[Ttl, Range] | None
    worth: Ttl | None

    @property
    def long_enough(self) -> bool:
        """Whether the model caches it, as far as is known."""
        return self.shared.total >= (LEAST if self.smallest is None else self.smallest)


def advise(shared: Sequence[Shared], now: datetime) -> Advice | None:
    """The advice for the model whose requests share the most, all in all; None if no two requests share anything."""
    several = [one for one in shared if one.requests > 1 and one.total + one.more]
    if not several:
        return None
    return advice(max(several, key=lambda one: one.requests * (one.total + one.more)), now)


def advice(shared: Shared, now: datetime) -> Advice:
    """The advice for one model, at the prices that apply at `now`."""
    plain = _usd(shared, Tokens(input=shared.requests * shared.total), now)
    known = smallest(shared.model)
    found = Advice(shared=shared, smallest=known, plain_usd=plain, usd=None, worth=None)
    if plain is None:
        return found
    usd = {ttl: Range(*(_with(shared, ttl, rate, now) for rate in RATES)) for ttl in SPANS}
    careful = {ttl: _with(shared, ttl, CAREFUL[ttl], now) for ttl in SPANS}
    best = min(careful, key=lambda ttl: careful[ttl])
    pays = found.long_enough and careful[best] < plain
    return Advice(shared=shared, smallest=known, plain_usd=plain, usd=usd, worth=best if pays else None)


def _with(shared: Shared, ttl: Ttl, read: float, now: datetime) -> float:
    """What the shared beginning costs if such a share of the requests reads it. The first one cannot."""
    hits = min(int(read * shared.requests), shared.requests - 1) * shared.total
    written = shared.requests * shared.total - hits
    short, long = (written, 0) if ttl == "5m" else (0, written)
    usd = _usd(shared, Tokens(cache_creation_5m=short, cache_creation_1h=long, cache_read=hits), now)
    assert usd is not None  # the plain price is known
    return usd


def _usd(shared: Shared, tokens: Tokens, now: datetime) -> float | None:
    part = Usage(shared.model, tokens, shared.requests, prompt_over(shared.total))
    return bill([part], now).actual_usd


def in_words(given: Advice | None, *, job: bool) -> list[str]:
    """One or two lines, if a cache matters: many requests share a beginning of some length, and none is marked yet."""
    if given is None or given.shared.marked or given.shared.requests < MANY:
        return []
    shared, model = given.shared, inert_line(given.shared.model, 60)
    if shared.total < LEAST:
        return [_apart(shared)] if shared.more >= LEAST else []
    said = f"cache: {plural(shared.requests, 'request')} begin with the same ~{number(shared.total)} tokens"
    said += f" ({', '.join(shared.parts)})"
    if not given.long_enough:
        return [f"{said}: too few, {model} caches {number(given.smallest or LEAST)} or more"]
    from_ = "how many it needs is not known" if given.smallest is None else f"enough from {number(given.smallest)} on"
    lines = [f"{said}; {model} can cache them ({from_})"]
    if given.plain_usd is not None and given.usd is not None:
        each = ", ".join(f"for {span} {_less(given.plain_usd, given.usd[ttl])}" for ttl, span in SPANS.items())
        rates = f"if {HIGHEST:.0%} to {LOWEST:.0%} read it, and batches often take longer than 5 minutes"
        lines.append(f"    {money(given.plain_usd)} without a cache; {each} ({rates}): {_advised(given, job=job)}")
    return lines


def _apart(shared: Shared) -> str:
    """What could be shared if it stood alone."""
    text = (
        f"cache: a text of all {plural(shared.requests, 'request')} begins with the same ~{number(shared.more)} tokens"
    )
    return f"{text}, and goes on differently: in the system prompt, or in a block of their own, they could be cached"


def _less(plain: float, usd: Range) -> str:
    """`$1.20 to $0.10 less`, `$1.20 less to $0.80 more`."""
    best, worst = plain - usd.low, plain - usd.high
    if best <= 0:
        return f"{money(-best)} to {money(-worst)} more"
    if worst < 0:
        return f"{money(best)} less to {money(-worst)} more"
    return f"{money(best)} to {money(worst)} less"


def _advised(given: Advice, *, job: bool) -> str:
    if given.worth is None:
        return "not worth it"
    if job and given.shared.system and given.shared.parts[-1] == "system":
        return f'system_cache = "{given.worth}"'
    mark = f'{{"type": "ephemeral", "ttl": "{given.worth}"}}'
    return f'"cache_control": {mark} on the last block that they share'
