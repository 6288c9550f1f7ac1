"""What processes left that were killed: removed once it is surely nobody's, by whichever process runs a cycle."""

from __future__ import annotations

import asyncio
import fcntl
from contextlib import suppress
from pathlib import Path

from batchtui.core import scratch
from batchtui.core.batches.batch import Snapshot
from batchtui.core.errors import BatchtuiError
from batchtui.core.files import sweep
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.state import tickets
from batchtui.core.state.store_thread import StoreThread

_JOURNAL = ".jsonl.partial"


async def remove(disk: StoreThread, paths: Paths) -> None:
    """Removes unfinished files whose lock is free, and the requests in abandoned tickets that no record names.

    Only a file that cannot be removed stays, until the next time. Creates nothing.
    """
    dead = await asyncio.to_thread(_unlocked, paths)
    try:
        snapshot: Snapshot | None = await disk.snapshot()
    except BatchtuiError as error:
        log.warning("nothing was removed: %s", error.message)
        snapshot = None
    await asyncio.to_thread(_remove, dead, snapshot, paths)


def _unlocked(paths: Paths) -> list[tickets.Abandoned]:
    from tempfile import gettempdir

    kept = (paths.state, paths.poller, paths.looks, paths.events, paths.notices, paths.outage)
    for name in (one.name for one in kept):
        sweep(paths.data, name)
    for folder in (paths.requests, paths.results):
        sweep(folder)
    with suppress(OSError):
        sweep(Path(gettempdir()), scratch.NAME)
    return tickets.abandoned(paths)


def _remove(dead: list[tickets.Abandoned], snapshot: Snapshot | None, paths: Paths) -> None:
    tickets.clear(dead, snapshot, paths)
    waiting = {part.ref for one in snapshot.submissions.values() for part in one.waiting} if snapshot else set()
    for journal in paths.results.glob(f"*{_JOURNAL}") if snapshot else ():
        if journal.name.removesuffix(_JOURNAL) not in waiting:
            with suppress(OSError):
                _remove_empty(journal)


def _remove_empty(journal: Path) -> None:
    """Removes a journal that was made for nothing. One that holds answers is never removed: they are paid."""
    with journal.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not file.read(1):
            journal.unlink()
