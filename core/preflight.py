"""What only the API, and the user's own past, can say of a checked file: its models, and what it will cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core import models, sampling, summary
from batchtui.core.api import Api
from batchtui.core.batch import Snapshot, State
from batchtui.core.connection import Connection
from batchtui.core.errors import BatchtuiError, StateError
from batchtui.core.estimate import Estimate, Usual, measure, price, usual
from batchtui.core.means import Means
from batchtui.core.models import Catalogue
from batchtui.core.paths import Paths
from batchtui.core.problems import Problem
from batchtui.core.requests import SHOWN, Checked, check
from batchtui.core.sampling import Sampled
from batchtui.core.summary import Summary
from batchtui.core.text import inert_line, money

RECENT = 50
"""So many past batches, the newest ones, say how long answers are."""


class Preflight(Struct, frozen=True, kw_only=True):
    """A checked file with the problems of its models added; `estimate` is None where it has problems.

    `notes` are worth saying and stop nothing: models on their way out, and what could not be asked. Of a job, `first`
    is the first request that it makes, and `max_cost` the limit that it sets itself.
    """

    checked: Checked
    estimate: Estimate | None
    notes: tuple[str, ...]
    first: bytes = b""
    max_cost: float | None = None


async def examine(
    path: Path,
    means: Means,
    *,
    name: str = "",
    one_batch: bool = True,
    offline: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> Preflight:
    """Everything that can be said of a file of requests, or of a job, before it is sent. Nothing is bought.

    With `offline` the API is not asked. Raises BadInput where the file changes meanwhile, StateError where the state
    cannot be read.
    """
    if path.suffix == ".toml":
        from batchtui.core.jobs.preflight import examine_job

        return await examine_job(path, means, offline=offline)
    rules = means.settings.rules
    checked = await asyncio.to_thread(check, path, None, report, one_batch=one_batch, rules=rules)
    past = await asyncio.to_thread(past_of, await means.disk.snapshot(), means.paths, name or path.stem)
    return await preflight(path, checked, None if offline else means.connection, past, means.clock())


async def preflight(
    path: Path, checked: Checked, connection: Connection | None, past: dict[str, Usual], now: datetime
) -> Preflight:
    """Asks the API about the models, and for exact counts of a few requests, where there is a key; then prices it all.

    Without `connection` nobody is asked. What cannot be had is a note. Raises BadInput where the file changed.
    """
    notes: list[str] = []
    api, catalogue = await _asked(connection, checked, notes)
    if not checked.ok:
        return Preflight(checked=_with(checked, _wrong(catalogue, {}, "line")), estimate=None, notes=tuple(notes))
    sampled = Sampled()
    if api and catalogue and not _wrong(catalogue, {}, "line"):
        picked = await asyncio.to_thread(sampling.pick, path, checked.requests)
        sampled = await sampling.count(api, picked)
        notes += sampled.notes
    measured = await asyncio.to_thread(measure, path, sampled.factors)
    if catalogue:
        notes += models.notes(catalogue, measured.longest)
    checked = _with(checked, _wrong(catalogue, measured.first_seen, measured.unit))
    estimate = await asyncio.to_thread(price, measured, sampled, past, now) if checked.ok else None
    return Preflight(checked=checked, estimate=estimate, notes=tuple(notes))


async def _asked(
    connection: Connection | None, checked: Checked, notes: list[str]
) -> tuple[Api | None, Catalogue | None]:
    if connection is None or not checked.models:
        return None, None
    if connection.key() is None:
        notes.append("Without an API key the models were not checked.")
        return None, None
    try:
        api = await connection.api()
        return api, await models.look_up(api, checked.models)
    except BatchtuiError as error:
        notes.append(f"The models were not checked: {error.message}")
        return None, None


def _wrong(catalogue: Catalogue | None, first_seen: dict[str, int], unit: str) -> list[Problem]:
    return models.wrong(catalogue, first_seen, unit) if catalogue else []


def _with(checked: Checked, more: list[Problem]) -> Checked:
    kinds = dict(checked.kinds)
    for problem in more:
        kinds[problem.kind] = kinds.get(problem.kind, 0) + 1
    return replace(
        checked,
        problems=(*checked.problems, *more)[:SHOWN],
        problem_count=checked.problem_count + len(more),
        kinds=kinds,
    )


def past_of(snapshot: Snapshot, paths: Paths, name: str) -> dict[str, Usual]:
    """What the newest retrieved batches say, those of the same name above all. Reads their summaries; for a thread."""
    return usual(_recent(snapshot, paths), name)


def _recent(snapshot: Snapshot, paths: Paths) -> Iterator[Summary]:
    labels = (batch.label for batch in snapshot.batches if batch.state is State.RETRIEVED)
    for label in islice(labels, RECENT):
        with suppress(StateError):
            yield summary.read(paths.summary(label))


def in_words(estimate: Estimate) -> str:
    """The price in a sentence."""
    if estimate.batch_usd is None:
        names = ", ".join(inert_line(model, 60) for model in estimate.unpriced)
        return f"cost not known: no price for {names}"
    most = f", at most {money(estimate.batch_max_usd)}"
    most = most if money(estimate.batch_usd) != money(estimate.batch_max_usd) else ""
    about = "about" if most else "at most about"
    return f"{about} {money(estimate.batch_usd)}{most}; {money(estimate.standard_usd)} without a batch"
