"""What only the API and the user's past batches can say about a checked file: its models, and what it will cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.api.connection import Connection
from batchtui.core.api.protocol import Api, Betas
from batchtui.core.cost import abilities, models, token_count
from batchtui.core.cost.abilities import Found
from batchtui.core.cost.cache_advice import Advice, advise
from batchtui.core.cost.estimate import Estimate, price, together
from batchtui.core.cost.models import Catalogue
from batchtui.core.cost.past import Usual
from batchtui.core.cost.system_cache import SystemCache
from batchtui.core.cost.tally import measure
from batchtui.core.cost.token_count import Sampled
from batchtui.core.errors import BatchtuiError, OverLimit
from batchtui.core.requests.betas import beta_notes
from batchtui.core.requests.check import SHOWN, Checked
from batchtui.core.requests.model_ids import model_notes
from batchtui.core.requests.problems import Problem
from batchtui.core.requests.touch import Touch


class Preflight(Struct, frozen=True, kw_only=True):
    """A checked file with the problems of its models added; `estimate` is None if there are problems.

    `notes` do not stop anything: models that will be retired, and what could not be looked up. `factors` are those of
    `Sampled`. For a job, `name` is that of its first step, `first` the first request that it makes, `max_cost` its
    limit, and `later` holds each later step by name with its estimate. `over_limit` is why it may not be sent under the
    limit that applies. `touches` is what the job touches outside its folder, for the user to agree to. `cache` is the
    advice on what the requests share, `system_cache` what becomes of the system prompts of steps that want them cached.
    `betas` go with the requests. `deadline_text` is the deadline that the job sets itself, as written; `deadline` is
    the one that applies.
    """

    checked: Checked
    estimate: Estimate | None
    notes: tuple[str, ...]
    name: str = ""
    first: bytes = b""
    max_cost: float | None = None
    later: tuple[tuple[str, Estimate], ...] = ()
    factors: dict[str, float] = {}
    over_limit: OverLimit | None = None
    touches: tuple[Touch, ...] = ()
    cache: Advice | None = None
    system_cache: tuple[tuple[str, SystemCache], ...] = ()
    betas: tuple[str, ...] = ()
    deadline_text: str = ""
    deadline: datetime | None = None

    @property
    def whole(self) -> Estimate | None:
        """The estimate for all steps together."""
        return together([self.estimate, *(one for _, one in self.later)]) if self.estimate else None


async def preflight(
    path: Path,
    checked: Checked,
    connection: Connection | None,
    past: Mapping[str, Usual],
    now: datetime,
    betas: Betas = (),
    *,
    later: Sequence[tuple[str, dict[str, Any]]] = (),
    private: bool = False,
) -> Preflight:
    """Asks the API about the models and for exact counts of a few requests, if there is a key; then prices it all.

    Without `connection` the API is not asked. `betas` go with the requests; `later` are the params of later steps of a
    job, each with its place. A count sends the requests, so `private` ones are not counted: nobody agreed yet that
    anybody sees them. What is not available is noted. Raises BadInput if the file changed.
    """
    notes: list[str] = beta_notes(betas)
    api, catalogue = await _asked(connection, checked, notes)
    if catalogue is None:
        notes += model_notes(checked.models)
    if not checked.ok:
        return Preflight(checked=_with(checked, _wrong(catalogue, {}, "line")), estimate=None, notes=tuple(notes))
    sampled, unfit = Sampled(), Found()
    if api and catalogue and not _wrong(catalogue, {}, "line"):
        unfit = await asyncio.to_thread(abilities.look, path, catalogue, betas)
        for where, params in later:
            abilities.look_at(unfit, where, params, catalogue, betas)
        if private:
            notes.append("Its tokens were not counted by the API: that would send what it reads outside its folder.")
        elif not unfit.kinds:
            picked = await asyncio.to_thread(token_count.pick, path, checked.requests)
            every = {row.number: row for row in (*picked, *unfit.long)}
            sampled = await token_count.count(api, tuple(every.values()), betas)
            notes += sampled.notes
    measured = await asyncio.to_thread(measure, path, sampled.factors)
    if catalogue:
        notes += models.notes(catalogue)
    checked = _with(checked, _wrong(catalogue, measured.first_seen, measured.unit))
    checked = _with(checked, [*unfit.problems, *_counted(sampled, catalogue, measured.unit)], unfit.kinds)
    if not checked.ok:
        return Preflight(checked=checked, estimate=None, notes=tuple(notes), factors=sampled.factors, betas=betas)
    estimate = await asyncio.to_thread(price, measured, sampled, past, now)
    cache = advise(measured.shared, now)
    return Preflight(
        checked=checked, estimate=estimate, notes=tuple(notes), factors=sampled.factors, cache=cache, betas=betas
    )


def _counted(sampled: Sampled, catalogue: Catalogue | None, unit: str) -> list[Problem]:
    """What the API's own counts say against rows: it refuses them, or they are too long."""
    found = [
        Problem(
            one.line,
            one.field,
            f"The API refuses it: {one.message}",
            "Every request of this shape would fail.",
            "refused",
            f"{unit} {one.line}",
        )
        for one in sampled.refused
    ]
    for line, (name, tokens) in sampled.tokens.items():
        problem = abilities.too_long(name, tokens, catalogue.known.get(name) if catalogue else None, line, unit)
        found += [problem] if problem else []
    return found


async def _asked(
    connection: Connection | None, checked: Checked, notes: list[str]
) -> tuple[Api | None, Catalogue | None]:
    if connection is None or not checked.models:
        return None, None
    if await asyncio.to_thread(connection.key) is None:
        notes.append("The models were not checked: there is no API key.")
        return None, None
    try:
        api = await connection.api()
        return api, await models.look_up(api, checked.models)
    except BatchtuiError as error:
        notes.append(f"The models were not checked: {error.message}")
        return None, None


def _wrong(catalogue: Catalogue | None, first_seen: dict[str, int], unit: str) -> list[Problem]:
    return models.wrong(catalogue, first_seen, unit) if catalogue else []


def _with(checked: Checked, more: list[Problem], counts: Mapping[str, int] = MappingProxyType({})) -> Checked:
    """The checked file with more problems; `counts` are of kinds of which `more` has only the first."""
    kinds = Counter(checked.kinds)
    kinds.update(Counter(one.kind for one in more if one.kind not in counts))
    kinds.update(counts)
    return replace(
        checked,
        problems=(*checked.problems, *more)[:SHOWN],
        problem_count=kinds.total(),
        kinds=dict(kinds),
    )
