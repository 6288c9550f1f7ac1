"""`monitor --events`: prints every event as one JSON object a line, whichever process finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from batchtui.core.desk.desk import Desk
from batchtui.core.logs import log
from batchtui.tui.cli.terminal import flush, out

if TYPE_CHECKING:
    from batchtui.core.notices.follow import Follower

_EVERY = 0.5
"""Seconds between two looks for new events."""


@asynccontextmanager
async def printing_events(desk: Desk, stop: Callable[[], None], *, wanted: bool) -> AsyncIterator[None]:
    """Prints events while the block runs, and those of its last moments at its end; nothing unless `wanted`.

    What stdout did not take is printed by the next process. If nobody reads it any more, `stop` is called, and the
    block ends with that error.
    """
    if not wanted:
        yield
        return
    follower = await desk.follow_events()
    printing = asyncio.create_task(_print(follower, stop))
    try:
        yield
    finally:
        printing.cancel()
        ended = (await asyncio.gather(printing, return_exceptions=True))[0]
        try:
            if isinstance(ended, Exception):
                raise ended
            _print_new(follower)
        finally:
            follower.close()


async def _print(follower: Follower, stop: Callable[[], None]) -> None:
    try:
        while True:
            _print_new(follower)
            await asyncio.sleep(_EVERY)
    except Exception:
        stop()
        raise


def _print_new(follower: Follower) -> None:
    """Each line is flushed, and noted as printed only after that."""
    try:
        lines = follower.read()
    except OSError as error:
        log.warning("events: %s", error)
        return
    for line in lines:
        out(line.text)
        flush()
        follower.seen(line.seq)
