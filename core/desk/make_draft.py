"""Makes a draft of a file or a job. Leaves nothing behind if the user changes their mind in the meantime."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from batchtui.core.errors import BadInput, BatchtuiError
from batchtui.core.paths import Paths
from batchtui.core.requests.draft import Draft, discard, draft
from batchtui.core.requests.split import Cut
from batchtui.core.settings import Rules
from batchtui.core.text import inert_line


async def make_draft(path: Path, paths: Paths, name: str | None, cut: Cut | None, rules: Rules) -> Draft:
    """Checks a file, or builds a job, and keeps its rows. If canceled, it waits for its thread and keeps nothing.

    Raises:
        BadInput: the file or the job has problems; nothing is kept.
        StateError: its rows could not be kept.
    """
    making = asyncio.ensure_future(asyncio.to_thread(_make, path, paths, name, cut, rules))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        with suppress(BatchtuiError, OSError):
            await asyncio.to_thread(discard, await making, paths)
        raise


def _make(path: Path, paths: Paths, name: str | None, cut: Cut | None, rules: Rules) -> Draft:
    if path.suffix != ".toml":
        return draft(path, paths, name or path.stem or "batch", cut, rules=rules)
    from batchtui.core.jobs.draft_job import draft_job

    return draft_job(path, paths, name, rules=rules)


def changed(path: Path) -> BadInput:
    """The error for a file whose rows are not the ones that were agreed to."""
    return BadInput(f"{inert_line(str(path))} changed while it was being read. Nothing was sent.", "Submit it again.")
