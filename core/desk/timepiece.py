"""The clocks that a process which runs for months lives by, and what their differences mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from batchtui.core.clock import awake, since_boot, utc_now

_SLEPT = 30.0
_STEPPED = 60.0


class Reading(NamedTuple):
    """All clocks at one moment, in seconds: `boot` goes on in sleep, `awake` does not, and `wall` can be set."""

    boot: float
    awake: float
    wall: float

    def slept(self, before: Reading) -> float:
        """Seconds that the machine slept since `before`; 0 for what is too short to matter."""
        seconds = (self.boot - before.boot) - (self.awake - before.awake)
        return seconds if seconds > _SLEPT else 0.0

    def stepped(self, before: Reading) -> float:
        """By how many seconds the wall clock was set since `before`, or by a sleep that no other clock shows."""
        seconds = (self.wall - before.wall) - (self.boot - before.boot)
        return seconds if abs(seconds) > _STEPPED else 0.0


class Timepiece:
    """Reads the clocks, and waits."""

    step = 2.0
    """The longest wait at a time, in seconds: that late it is seen that another process asks for a look."""

    def __init__(self, wall: Callable[[], float] = lambda: utc_now().timestamp()) -> None:
        self._wall = wall

    def read(self) -> Reading:
        return Reading(since_boot(), awake(), self._wall())

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Waits for the event, at most for `seconds` during which the machine is awake."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
