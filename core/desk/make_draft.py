"""Makes a draft of a file or a job. Leaves nothing behind if the user changes their mind in the meantime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from batchtui.core.batches.batch import Snapshot
from batchtui.core.errors import BadInput, BatchtuiError
from batchtui.core.requests.draft import Draft, discard, draft
from batchtui.core.requests.split import Cut
from batchtui.core.sending.context import Context
from batchtui.core.text import inert_line


async def make_draft(
    path: Path,
    context: Context,
    name: str | None,
    cut: Cut | None,
    named: Callable[[], str],
    *,
    now: bool,
    again: bool,
) -> Draft:
    """Checks a file, or builds a job, and keeps its rows. If canceled, it waits for its thread and keeps nothing.

    `named` gives the refs of what is kept. `now`: it is to be answered without a batch. `again`: rows that were sent
    before may be sent once more; else the caller refuses them.

    Raises:
        NothingNew: the job wants only new rows, and there are none.
        BadInput: the file or the job has problems; nothing is kept.
        StateError: its rows could not be kept.
    """
    snapshot = await context.disk.snapshot()
    work = asyncio.to_thread(_make, path, context, snapshot, name, cut, named, now=now, again=again)
    making = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        with suppress(BatchtuiError, OSError):
            await asyncio.to_thread(discard, await making, context.paths)
        raise


def _make(
    path: Path,
    context: Context,
    snapshot: Snapshot,
    name: str | None,
    cut: Cut | None,
    named: Callable[[], str],
    *,
    now: bool,
    again: bool,
) -> Draft:
    paths, rules = context.paths, context.rules
    if path.suffix != ".toml":
        return draft(path, paths, name or path.stem or "batch", cut, rules=rules, named=named)
    from batchtui.core.jobs.draft_job import draft_job
    from batchtui.core.jobs.known_keys import known_keys

    known = partial(known_keys, snapshot, paths, now=now)
    return draft_job(path, paths, name, known, again=again, cut=cut, rules=rules, named=named)


def changed(path: Path) -> BadInput:
    """The error for a file whose rows are not the ones that were agreed to."""
    return BadInput(f"{inert_line(str(path))} changed while it was being read. Nothing was sent.", "Submit it again.")
