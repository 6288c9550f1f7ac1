"""Everything that can be said about a file or a job before it is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches.deadline_text import read
from batchtui.core.cost.deadline_price import notes, only_in_a_batch
from batchtui.core.cost.limit import refusal
from batchtui.core.cost.past import past_of
from batchtui.core.cost.preflight import Preflight, preflight
from batchtui.core.errors import BadInput
from batchtui.core.requests.check import SHOWN, check
from batchtui.core.requests.problems import Problem
from batchtui.core.sending.context import Context


async def examine(
    path: Path,
    context: Context,
    *,
    name: str = "",
    one_batch: bool = True,
    offline: bool = False,
    max_cost: float | None = None,
    now: bool = False,
    again: bool = True,
    deadline: str = "",
    report: Report | None = None,
) -> Preflight:
    """Checks a file of requests, or a job, and estimates what it costs. Nothing is bought.

    With `offline` the API is not asked; `now` is for answers without a batch. `max_cost` is the limit in US dollars, in
    place of the job's own, and `deadline` one in place of the job's. If `again` is false, rows that were sent before
    are going to be refused, so nothing is said about what their earlier run wrote. Raises NothingNew if a job wants
    only new rows and there are none, BadInput if the file changes in the meantime, StateError if the state cannot be
    read.
    """
    if path.suffix == ".toml":
        from batchtui.core.desk.examine_job import examine_job

        looked = await examine_job(path, context, name, offline=offline, now=now, again=again)
    else:
        rules = context.rules
        checked = await asyncio.to_thread(check, path, None, report, one_batch=one_batch, rules=rules)
        past = await asyncio.to_thread(past_of, await context.disk.snapshot(), context.paths, name or path.stem)
        connection = None if offline else context.connection
        looked = await preflight(path, checked, connection, past, context.clock(), context.betas)
    limit = looked.max_cost if max_cost is None else max_cost
    text = "" if now else deadline or looked.deadline_text
    if text:
        looked = _with_deadline(looked, text, context, limit)
    return replace(looked, over_limit=refusal(looked.whole, limit) if looked.checked.ok else None)


def _with_deadline(looked: Preflight, text: str, context: Context, limit: float | None) -> Preflight:
    """The same with a deadline, and with what is wrong with that."""
    at = context.clock()
    try:
        deadline = read(text, at)
    except BadInput as error:
        return _wrong(looked, Problem(None, "deadline", error.message, error.hint, "deadline"))
    if problem := only_in_a_batch(looked.betas):
        return _wrong(looked, problem)
    said = notes(looked.whole, deadline, at, limit, looked.later)
    return replace(looked, deadline=deadline, notes=(*looked.notes, *said))


def _wrong(looked: Preflight, problem: Problem) -> Preflight:
    checked = looked.checked
    return replace(
        looked,
        estimate=None,
        checked=replace(
            checked,
            problems=(*checked.problems, problem)[:SHOWN],
            problem_count=checked.problem_count + 1,
            kinds={**checked.kinds, problem.kind: 1},
        ),
    )
