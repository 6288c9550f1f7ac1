"""Which earlier runs of a job a new one takes over, and the files of what they held back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from batchtui.core.batches.batch import Submission
from batchtui.core.requests.draft import Draft
from batchtui.core.sending.context import Context
from batchtui.core.state.archive import drop


async def taken_over_by(path: Path, made: Draft, context: Context) -> tuple[Submission, ...]:
    """Earlier runs of a job that stopped, whose held back parts a draft sends. Raises StateError if keys are gone."""
    if path.suffix != ".toml":
        return ()
    from batchtui.core.jobs.known_keys import taken_over

    snapshot = await context.disk.snapshot()
    return await asyncio.to_thread(taken_over, snapshot, context.paths, made.name, made.parts)


async def drop_handed_over(taken: Iterable[Submission], context: Context) -> None:
    """Removes the requests of what was handed over. What cannot be removed stays."""
    snapshot = await context.disk.snapshot()
    known = {one.ref for one in snapshot.batches}
    known |= {part.ref for one in snapshot.submissions.values() for part in one.waiting}
    refs = {ref for one in taken for ref in (*one.batches, *(part.ref for part in one.waiting))} - known
    with suppress(OSError):
        await asyncio.to_thread(drop, refs, context.paths)
