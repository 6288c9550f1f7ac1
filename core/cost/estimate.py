"""What a file of requests will cost, before it is sent: measured by its text, corrected by a few exact counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from batchtui.core.batches.price import Tokens, Usage, bill
from batchtui.core.cost import token_guess
from batchtui.core.cost.cacheable import CAREFUL
from batchtui.core.cost.past import Usual
from batchtui.core.cost.tally import Measured, Sum
from batchtui.core.cost.token_count import Sampled
from batchtui.core.text import inert_line, likely, likely_and_most, money, plural


class Estimate(Struct, frozen=True, kw_only=True):
    """The price of requests in a batch, in US dollars, and what it is based on.

    `batch_usd` is the likely price by the user's past batches, `batch_max_usd` the price if every prompt has the most
    tokens that it can have and every answer is as long as its `max_tokens`. `standard_usd` is `batch_usd` outside of a
    batch. All are None if a model's price is not known (`unpriced`); `batch_max_usd` also if something has no bound
    (`unbounded`). `how` says in words what was measured and what was not.
    """

    requests: int
    input_tokens: int
    output_tokens: int
    output_tokens_max: int
    batch_usd: float | None
    batch_max_usd: float | None
    standard_usd: float | None
    unpriced: tuple[str, ...]
    how: str
    unbounded: tuple[str, ...] = ()
    input_tokens_max: int = 0


def price(measured: Measured, sampled: Sampled, past: Mapping[str, Usual], now: datetime) -> Estimate:
    """The estimate, at the prices that apply at `now`."""
    expected: list[Usage] = []
    for (model, over, geo), total in measured.sums.items():
        before = usual_of(model, past)
        output = min(round(before.output * total.requests), total.most) if before else total.most
        tokens = _tokens(total, output, before.read if before else None)
        expected.append(Usage(model, tokens, total.requests, over, geo))
    ceiling = [total.usage(*key) for key, total in measured.ceilings.items()]
    cost, most_cost = bill(expected, now), bill(ceiling, now)
    standard = None if cost.actual_usd is None or cost.saved_usd is None else cost.actual_usd + cost.saved_usd
    return Estimate(
        requests=sum(part.requests for part in expected),
        input_tokens=sum(_input(part.tokens) for part in expected),
        input_tokens_max=sum(_input(part.tokens) for part in ceiling),
        output_tokens=sum(part.tokens.output for part in expected),
        output_tokens_max=sum(part.tokens.output for part in ceiling),
        batch_usd=cost.actual_usd,
        batch_max_usd=None if measured.unbounded else most_cost.actual_usd,
        standard_usd=standard,
        unpriced=cost.unpriced,
        how=how(measured, sampled, past),
        unbounded=measured.unbounded,
    )


def together(estimates: Sequence[Estimate]) -> Estimate:
    """The sum of several estimates. A price is not known if one of them is not."""
    first = estimates[0]
    if len(estimates) == 1:
        return first

    def total(prices: Sequence[float | None]) -> float | None:
        known = [one for one in prices if one is not None]
        return sum(known) if len(known) == len(prices) else None

    return Estimate(
        requests=sum(one.requests for one in estimates),
        input_tokens=sum(one.input_tokens for one in estimates),
        input_tokens_max=sum(one.input_tokens_max for one in estimates),
        output_tokens=sum(one.output_tokens for one in estimates),
        output_tokens_max=sum(one.output_tokens_max for one in estimates),
        batch_usd=total([one.batch_usd for one in estimates]),
        batch_max_usd=total([one.batch_max_usd for one in estimates]),
        standard_usd=total([one.standard_usd for one in estimates]),
        unpriced=tuple(dict.fromkeys(name for one in estimates for name in one.unpriced)),
        how="; ".join([*_clauses(estimates), "later steps by their templates, earlier answers up to their max_tokens"]),
        unbounded=tuple(dict.fromkeys(why for one in estimates for why in one.unbounded)),
    )


def _clauses(estimates: Sequence[Estimate]) -> list[str]:
    """What is said about the first estimate, and about the others beyond their text."""
    more = [one for later in estimates[1:] for one in later.how.split("; ") if not one.startswith("input by")]
    return list(dict.fromkeys([*estimates[0].how.split("; "), *more]))


def _tokens(total: Sum, output: int, read: float | None) -> Tokens:
    """What is likely to be read from a cache: as much as before, or a careful share of what the API documents."""
    read_5m, read_1h = (CAREFUL["5m"], CAREFUL["1h"]) if read is None else (read, read)
    return Tokens(
        input=round(total.plain),
        output=output,
        cache_creation_5m=round(total.first + total.again * (1 - read_5m)),
        cache_creation_1h=round(total.first_1h + total.again_1h * (1 - read_1h)),
        cache_read=round(total.again * read_5m + total.again_1h * read_1h),
    )


def _input(one: Tokens) -> int:
    return one.input + one.cache_creation_5m + one.cache_creation_1h + one.cache_read


def usual_of(model: str, past: Mapping[str, Usual]) -> Usual | None:
    """The past of a model. Results give the full id of a model that was requested by its alias."""
    whole = next((name for name in past if name.startswith(f"{model}-20")), "")
    return past.get(model) or past.get(whole)


def how(measured: Measured, sampled: Sampled, past: Mapping[str, Usual]) -> str:
    """What an estimate is based on, in one sentence."""
    models = {model for model, _, _ in measured.sums}
    if sampled.counted:
        words = [f"input by its text, corrected by the API's exact count of {plural(sampled.counted, 'request')}"]
    else:
        words = [f"input by its text (a token per {token_guess.BYTES_PER_TOKEN} bytes, fewer bytes with newer models)"]
    if measured.unseen:
        words.append(f"{plural(measured.unseen, 'image or document', 'images or documents')} guessed")
    words.append("at most a token per byte")
    if measured.whole:
        words.append("what is not in the text, and each use of a tool, at most as long as the largest context window")
    known = [model for model in models if usual_of(model, past)]
    if known:
        words.append("answers as long as in past batches" + (" for models used before" if models - {*known} else ""))
    if models - {*known}:
        words.append("answers as long as max_tokens allows")
    if any(total.again or total.again_1h for total in measured.sums.values()):
        before = [usual.read for model in known if (usual := usual_of(model, past)) and usual.read is not None]
        careful = f"{CAREFUL['5m']:.0%} of the time if kept for 5 minutes, {CAREFUL['1h']:.0%} if for an hour"
        words.append(f"cached prefixes read {'as often as before' if before else careful}")
    return inert_line("; ".join(words))


def in_words(estimate: Estimate, *, plain: bool = False) -> str:
    """The likely price and the most in one sentence; with `plain`, in ASCII."""
    if estimate.batch_usd is None:
        names = ", ".join(inert_line(model, 60) for model in estimate.unpriced)
        return f"cost not known: no price for {names}"
    standard = f"{money(estimate.standard_usd)} without a batch"
    if estimate.unbounded:
        why = inert_line(" and ".join(estimate.unbounded), 120)
        return f"{likely(estimate.batch_usd)}, with no upper bound because of {why}; {standard}"
    return f"{likely_and_most(estimate.batch_usd, estimate.batch_max_usd, plain=plain)}; {standard}"
