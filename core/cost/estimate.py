"""What a file of requests will cost, before it is sent: measured by its text, corrected by a few exact counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from batchtui.core.batches.price import EDGES, Tokens, Usage, bill, prompt_over
from batchtui.core.cost import token_guess
from batchtui.core.cost.bounds import CONTEXT
from batchtui.core.cost.past import Usual
from batchtui.core.cost.token_count import Sampled, opened
from batchtui.core.text import inert_line, money, plural

_BLOCK = 1 << 20


class Estimate(Struct, frozen=True, kw_only=True):
    """The price of requests in a batch, in US dollars, and what it is based on.

    `batch_usd` is the likely price by the user's past batches, `batch_max_usd` the price if every answer is as long as
    its `max_tokens` and every document and tool costs the most it can. `standard_usd` is `batch_usd` outside of a
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


class Sum:
    """Measured tokens of all requests with the same price. `first` are written to a cache, `again` may be read.
    `readings` and `searches` may come on top: see `bounds`."""

    __slots__ = (
        "again",
        "again_1h",
        "first",
        "first_1h",
        "most",
        "plain",
        "readings",
        "readings_marked",
        "requests",
        "searches",
    )

    def __init__(self) -> None:
        self.requests = self.most = self.readings = self.readings_marked = self.searches = 0
        self.plain = self.first = self.first_1h = self.again = self.again_1h = 0.0


class Measured(Struct, frozen=True):
    """A whole file, by model, price tier and region. `first_seen` is the position where a model first appears; `unit`
    is what a position counts."""

    sums: dict[tuple[str, int, str], Sum]
    first_seen: dict[str, int]
    unit: str
    unseen: int
    unbounded: tuple[str, ...] = ()


def measure(path: Path, factors: Mapping[str, float], report: Callable[[int, int], None] | None = None) -> Measured:
    """Measures all requests of a file without problems. Call it in a thread; `report` gets bytes done and their total.

    Raises:
        BadInput: the file can no longer be read.
    """
    sums: dict[tuple[str, int, str], Sum] = {}
    first_seen: dict[str, int] = {}
    written: set[bytes] = set()
    unbounded: dict[str, None] = {}
    unseen = shown = 0
    with opened(path) as source:
        for at, row, done in source.rows:
            prompt = token_guess.read(row)
            factor = factors.get(prompt.model, 1.0)
            key = (prompt.model, prompt_over(int(prompt.tokens * factor)), prompt.geo)
            _add(sums.setdefault(key, Sum()), prompt, factor, written)
            first_seen.setdefault(prompt.model, at)
            unseen += prompt.unseen
            if prompt.extra.unbounded:
                unbounded[prompt.extra.unbounded] = None
            if report and done - shown >= _BLOCK:
                shown = done
                report(done, source.total)
        return Measured(sums, first_seen, source.unit, unseen, tuple(unbounded))


def _add(total: Sum, prompt: token_guess.PromptSize, factor: float, written: set[bytes]) -> None:
    total.requests += 1
    total.most += prompt.max_tokens
    total.plain += prompt.plain * factor
    total.searches += prompt.extra.searches
    if prompt.extra.marked:
        total.readings_marked += prompt.extra.readings
    else:
        total.readings += prompt.extra.readings
    for key, count, an_hour in prompt.segments:
        kind = ("again" if key in written else "first") + ("_1h" if an_hour else "")
        setattr(total, kind, getattr(total, kind) + count * factor)
        written.add(key)


def price(measured: Measured, sampled: Sampled, past: Mapping[str, Usual], now: datetime) -> Estimate:
    """The estimate, at the prices that apply at `now`."""
    likely: list[Usage] = []
    ceiling: list[Usage] = []
    on_top: list[Usage] = []
    for (model, over, geo), total in measured.sums.items():
        before = _of(model, past)
        output = min(round(before.output * total.requests), total.most) if before else total.most
        read = before.read if before else 0.0
        likely.append(Usage(model, _tokens(total, output, read), total.requests, over, geo))
        ceiling.append(Usage(model, _tokens(total, total.most, 0.0), total.requests, over, geo))
        if total.readings or total.readings_marked:
            most = Tokens(input=CONTEXT * total.readings, cache_creation_1h=CONTEXT * total.readings_marked)
            on_top.append(Usage(model, most, prompt_over=EDGES[0], inference_geo=geo, web_searches=total.searches))
    cost, most_cost = bill(likely, now), bill([*ceiling, *on_top], now)
    standard = None if cost.actual_usd is None or cost.saved_usd is None else cost.actual_usd + cost.saved_usd
    return Estimate(
        requests=sum(part.requests for part in ceiling),
        input_tokens=sum(_input(part.tokens) for part in ceiling),
        output_tokens=sum(part.tokens.output for part in likely),
        output_tokens_max=sum(part.tokens.output for part in ceiling),
        batch_usd=cost.actual_usd,
        batch_max_usd=None if measured.unbounded else most_cost.actual_usd,
        standard_usd=standard,
        unpriced=cost.unpriced,
        how=how(measured, sampled, past),
        unbounded=measured.unbounded,
    )


def _tokens(total: Sum, output: int, read: float) -> Tokens:
    again = total.again + total.again_1h
    return Tokens(
        input=round(total.plain),
        output=output,
        cache_creation_5m=round(total.first + total.again * (1 - read)),
        cache_creation_1h=round(total.first_1h + total.again_1h * (1 - read)),
        cache_read=round(again * read),
    )


def _input(one: Tokens) -> int:
    return one.input + one.cache_creation_5m + one.cache_creation_1h + one.cache_read


def _of(model: str, past: Mapping[str, Usual]) -> Usual | None:
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
    if any(total.readings or total.readings_marked for total in measured.sums.values()):
        words.append("at most as long as the largest context window, for each document and each use of a tool")
    known = [model for model in models if _of(model, past)]
    if known:
        words.append("answers as long as in past batches" + (" for models used before" if models - {*known} else ""))
    if models - {*known}:
        words.append("answers as long as max_tokens allows")
    if any(total.again or total.again_1h for total in measured.sums.values()):
        read = any(usual.read for model in known if (usual := _of(model, past)))
        words.append("cached prefixes read as often as before" if read else "cached prefixes written each time")
    return inert_line("; ".join(words))


def in_words(estimate: Estimate) -> str:
    """The price in one sentence."""
    if estimate.batch_usd is None:
        names = ", ".join(inert_line(model, 60) for model in estimate.unpriced)
        return f"cost not known: no price for {names}"
    if estimate.unbounded:
        why = inert_line(" and ".join(estimate.unbounded), 120)
        about = f"about {money(estimate.batch_usd)}, with no upper bound because of {why}"
        return f"{about}; {money(estimate.standard_usd)} without a batch"
    most = f", at most {money(estimate.batch_max_usd)}"
    most = most if money(estimate.batch_usd) != money(estimate.batch_max_usd) else ""
    about = "about" if most else "at most about"
    return f"{about} {money(estimate.batch_usd)}{most}; {money(estimate.standard_usd)} without a batch"
