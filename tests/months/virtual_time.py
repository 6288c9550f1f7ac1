"""Virtual time: it passes only while the loop rests, and what happens in it is planned."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from batchtui.core.desk.timepiece import Reading, Timepiece
from batchtui.core.simulator.control import Control

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC).timestamp()

Happens = Callable[["VirtualTime"], Awaitable[None]]


@dataclass(order=True)
class Event:
    """Something that happens at a true time, in seconds since the start."""

    at: float
    number: int
    happens: Happens = field(compare=False)


class VirtualTime(Timepiece):
    """Our clocks and the simulator's. `skew` is by how much our wall clock is wrong, `slept` how long the machine
    slept."""

    step = 60.0

    def __init__(self, control: Control) -> None:
        super().__init__()
        self.true = self.slept = self.skew = 0.0
        self.control = control
        self._events: list[Event] = []
        self._count = 0
        self._shown: float | None = None

    def plan(self, at: float, happens: Happens) -> None:
        self._count += 1
        heapq.heappush(self._events, Event(at, self._count, happens))

    def read(self) -> Reading:
        return Reading(self.true, self.true - self.slept, START + self.true + self.skew)

    def clock(self) -> datetime:
        """Our wall clock. Whoever reads it is about to act, so the simulator's clock is set to the true time first."""
        if self._shown != self.true:
            self._shown = self.true
            self.control.settings(clock_offset=START + self.true - datetime.now(UTC).timestamp())
        return datetime.fromtimestamp(START + self.true + self.skew, UTC)

    def sleep(self, seconds: float) -> None:
        """The machine sleeps; the API goes on."""
        self.true += seconds
        self.slept += seconds

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        await asyncio.sleep(0)
        left = seconds
        while not event.is_set() and self._events and self._events[0].at <= self.true + left:
            due = heapq.heappop(self._events)
            left -= max(due.at - self.true, 0.0)
            self.true = max(self.true, due.at)
            await due.happens(self)
        if not event.is_set():
            self.true += left
