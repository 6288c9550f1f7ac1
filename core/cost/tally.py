"""Adds up the prompts of many requests: what they are likely to have, and the most that they can have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.price import Tokens, Usage, prompt_over
from batchtui.core.cost import token_guess
from batchtui.core.cost.bounds import CONTEXT
from batchtui.core.cost.shared_prefix import Shared, SharedPrefixes
from batchtui.core.cost.token_guess import PromptSize

_BLOCK = 1 << 20

GLOBAL = "global"
"""The only `inference_geo` with the plain price: without one, that of the workspace applies, which may be "us"."""


class Sum:
    """Measured tokens of all requests with the same price. `first` are written to a cache, `again` may be read."""

    __slots__ = ("again", "again_1h", "first", "first_1h", "most", "plain", "requests")

    def __init__(self) -> None:
        self.requests = self.most = 0
        self.plain = self.first = self.first_1h = self.again = self.again_1h = 0.0


class Ceiling:
    """The most tokens and searches of all requests that have the same price if each has the most that it can have."""

    __slots__ = ("input", "output", "searches", "written", "written_1h")

    def __init__(self) -> None:
        self.input = self.output = self.searches = self.written = self.written_1h = 0

    def usage(self, model: str, over: int, geo: str) -> Usage:
        """What the API would report."""
        tokens = Tokens(self.input, self.output, self.written, self.written_1h)
        return Usage(model, tokens, prompt_over=over, inference_geo=geo, web_searches=self.searches)


class Measured(Struct, frozen=True):
    """Many requests, by model, price tier and region. `first_seen` is the position where a model first appears; `unit`
    is what a position counts. `whole` prompts may fill the context window. `shared` is what all requests to a model
    begin with."""

    sums: dict[tuple[str, int, str], Sum]
    ceilings: dict[tuple[str, int, str], Ceiling]
    first_seen: dict[str, int]
    unit: str = "line"
    unseen: int = 0
    whole: int = 0
    unbounded: tuple[str, ...] = ()
    shared: tuple[Shared, ...] = ()


class Tally:
    """Adds up prompts, one after the other. Exact counts say by which `factors` the measure of a model is off."""

    def __init__(self, factors: Mapping[str, float]) -> None:
        self._factors = factors
        self._sums: dict[tuple[str, int, str], Sum] = {}
        self._ceilings: dict[tuple[str, int, str], Ceiling] = {}
        self._first_seen: dict[str, int] = {}
        self._written: set[bytes] = set()
        self._unbounded: dict[str, None] = {}
        self._unseen = self._whole = 0

    def add(self, at: int, prompt: PromptSize) -> None:
        """Adds a prompt; `at` is its position."""
        factor = self._factors.get(prompt.model, 1.0)
        likely = prompt.tokens * factor
        key = (prompt.model, prompt_over(int(likely)), prompt.geo)
        total = self._sums.get(key)
        if total is None:
            total = self._sums[key] = Sum()
            self._first_seen.setdefault(prompt.model, at)
        self._likely(total, prompt, factor)
        self._most(prompt, ceil(likely))
        self._unseen += prompt.unseen
        if prompt.most.unbounded:
            self._unbounded[prompt.most.unbounded] = None

    def _likely(self, total: Sum, prompt: PromptSize, factor: float) -> None:
        total.requests += 1
        total.most += prompt.max_tokens
        total.plain += prompt.plain * factor
        for key, count, an_hour in prompt.segments:
            kind = ("again" if key in self._written else "first") + ("_1h" if an_hour else "")
            setattr(total, kind, getattr(total, kind) + count * factor)
            self._written.add(key)

    def _most(self, prompt: PromptSize, likely: int) -> None:
        """What was counted is never more than the most, even where the count takes more for text than it is."""
        most = prompt.most
        each = max(most.prompt, likely)
        key = (prompt.model, prompt_over(each), prompt.geo if prompt.geo == GLOBAL else "us")
        total = self._ceilings.get(key)
        if total is None:
            total = self._ceilings[key] = Ceiling()
        if not most.written:
            total.input += each * most.readings
        elif most.written == "5m":
            total.written += each * most.readings
        else:
            total.written_1h += each * most.readings
        total.output += prompt.max_tokens
        total.searches += most.searches
        self._whole += most.prompt >= CONTEXT

    def measured(self, unit: str = "line") -> Measured:
        """All that was added."""
        unbounded = tuple(self._unbounded)
        return Measured(self._sums, self._ceilings, self._first_seen, unit, self._unseen, self._whole, unbounded)


def measure(path: Path, factors: Mapping[str, float], report: Callable[[int, int], None] | None = None) -> Measured:
    """Measures all requests of a file without problems. Call it in a thread; `report` gets bytes done and their total.

    Raises:
        BadInput: the file can no longer be read.
    """
    from batchtui.core.cost.token_count import opened

    tally, prefixes = Tally(factors), SharedPrefixes()
    shown = 0
    with opened(path) as source:
        for at, row, done in source.rows:
            prompt = token_guess.read(row)
            tally.add(at, prompt)
            prefixes.add(prompt.model, row)
            if report and done - shown >= _BLOCK:
                shown = done
                report(done, source.total)
        return replace(tally.measured(source.unit), shared=prefixes.found(factors))
