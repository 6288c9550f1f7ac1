"""Everything that can be said about a file or a job before it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from batchtui.core.cost.past import past_of
from batchtui.core.cost.preflight import Preflight, preflight
from batchtui.core.requests.check import check
from batchtui.core.sending.context import Context


async def examine(
    path: Path,
    means: Context,
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
        from batchtui.core.desk.examine_job import examine_job

        return await examine_job(path, means, offline=offline)
    rules = means.settings.rules
    checked = await asyncio.to_thread(check, path, None, report, one_batch=one_batch, rules=rules)
    past = await asyncio.to_thread(past_of, await means.disk.snapshot(), means.paths, name or path.stem)
    return await preflight(path, checked, None if offline else means.connection, past, means.clock())
