"""Everything that can be said about a file or a job before it is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.cost.limit import refusal
from batchtui.core.cost.past import past_of
from batchtui.core.cost.preflight import Preflight, preflight
from batchtui.core.requests.check import check
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
    report: Report | None = None,
) -> Preflight:
    """Checks a file of requests, or a job, and estimates what it costs. Nothing is bought.

    With `offline` the API is not asked; `now` is for answers without a batch. `max_cost` is the limit in US dollars, in
    place of the job's own. Raises NothingNew if a job wants only new rows and there are none, BadInput if the file
    changes in the meantime, StateError if the state cannot be read.
    """
    if path.suffix == ".toml":
        from batchtui.core.desk.examine_job import examine_job

        looked = await examine_job(path, context, name, offline=offline, now=now)
    else:
        rules = context.rules
        checked = await asyncio.to_thread(check, path, None, report, one_batch=one_batch, rules=rules)
        past = await asyncio.to_thread(past_of, await context.disk.snapshot(), context.paths, name or path.stem)
        connection = None if offline else context.connection
        looked = await preflight(path, checked, connection, past, context.clock(), context.betas)
    limit = looked.max_cost if max_cost is None else max_cost
    return replace(looked, over_limit=refusal(looked.whole, limit) if looked.checked.ok else None)
