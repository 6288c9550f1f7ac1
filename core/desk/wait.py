"""Waits until submissions are done, or can go no further on their own. If no other process polls, this one does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from batchtui.core.api.protocol import Report
from batchtui.core.batches import going_on, plan
from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Snapshot, State
from batchtui.core.desk.cycle import Cycle
from batchtui.core.desk.upkeep import Upkeep
from batchtui.core.errors import BatchtuiError, Failure, NoKey, NotAllowed, PollerStalled, TimedOut
from batchtui.core.results.downloads import rests
from batchtui.core.sending.look import needs_person
from batchtui.core.settings import Settings
from batchtui.core.state.poller import Poller
from batchtui.core.text import duration, plural

T = TypeVar("T")

_RUNS = UNDER_WAY | {State.SUBMITTING, State.ENDED}

_STEP = 1.0
"""Seconds between two glances at the state."""

_STEP_BESIDE = 2.0
"""The same while another process polls."""


class Desk(Protocol):
    """What waiting needs of a `StateDesk`."""

    settings: Settings
    upkeep: Upkeep
    clock: Callable[[], datetime]

    async def snapshot(self) -> Snapshot: ...
    async def poller(self) -> Poller | None: ...
    async def stalled(self) -> PollerStalled | None: ...
    async def poke(self) -> None: ...
    async def poked(self) -> bool: ...
    async def cycle(self) -> Cycle: ...
    async def answered(self) -> list[Failure]: ...
    def next_delay(self, cycle: Cycle, snapshot: Snapshot) -> float: ...
    async def retrieve(self, ref: str, report: Report | None) -> Batch: ...


class Wait:
    """One wait for some submissions on a desk, for at most `patience` seconds. `tell` hears of each trouble once."""

    def __init__(
        self,
        desk: Desk,
        submissions: Collection[str],
        *,
        patience: float | None,
        report: Report | None,
        tell: Callable[[str], None],
    ) -> None:
        self._desk = desk
        self._submissions = submissions
        self._patience = patience
        self._until = None if patience is None else time.monotonic() + patience
        self._report = report
        self._tell = tell
        self._told: set[str] = set()
        self._failing = ""
        self._poked_at = time.monotonic()
        self._next = (desk.clock(), time.monotonic())

    async def done(self) -> list[Batch]:
        """The batches of the submissions, once all parts, steps, retries and outputs are done, or none can go on.

        Raises:
            TimedOut: the time is up.
            NotAllowed: one was forgotten in the meantime.
            NoKey: there is no key, or it was refused.
            PollerStalled: the process that polls is stopped or hangs.
            BatchtuiError: with `auto_retrieve` off, results could not be retrieved.
        """
        first = True
        while True:
            snapshot = await self._desk.snapshot()
            batches = self._members(snapshot)
            going = self._going(snapshot)
            if not going and not (first and any(one.state in UNSETTLED for one in batches)):
                return batches
            self._tell_troubles(batches)
            if self._left() <= 0:
                raise self._timed_out(going)
            if self._due() or await self._desk.poked():
                try:
                    await self._look(batches)
                except TimeoutError:
                    continue
                first = False
                continue
            beside = bool(self._failing) or await self._beside()
            await asyncio.sleep(min(_STEP_BESIDE if beside else _STEP, self._left()))

    async def _beside(self) -> bool:
        poller = await self._desk.poller()
        return poller is not None and not poller.ours

    def _members(self, snapshot: Snapshot) -> list[Batch]:
        found: list[Batch] = []
        for ref in self._submissions:
            whole = snapshot.submissions.get(ref)
            ours = plan.members(snapshot, whole) if whole else []
            if not ours:
                raise NotAllowed("The batch was forgotten in the meantime.", "batchtui list shows the rest.")
            found += ours
        return found

    def _going(self, snapshot: Snapshot) -> list[Batch]:
        """The batches of each submission that goes on by itself. Results that could not be had for long, and a batch
        that a person must decide about, do not."""
        now, found = self._desk.clock(), list[Batch]()
        for ref in self._submissions:
            whole = snapshot.submissions[ref]
            ours = plan.members(snapshot, whole)
            able = [one for one in ours if not (one.state is State.ENDED and rests(one, now))]
            if len(able) == len(ours):
                goes = going_on.goes_on(snapshot, whole, ours)
            else:
                alone = Snapshot(snapshot.revision, tuple(ours), {ref: whole})
                goes = any(one.state in _RUNS for one in able) or any(plan.to_send(alone))
            if goes or any(one.state is State.UNCONFIRMED and one.attempt and not needs_person(one) for one in ours):
                found += ours
        return found

    async def _look(self, batches: list[Batch]) -> None:
        """One cycle, or a glance at the process that does them."""
        cycle = await self._in_time(self._desk.cycle())
        if isinstance(cycle.blocked, NoKey):
            raise cycle.blocked
        await self._in_time(self._desk.answered())
        snapshot = await self._desk.snapshot()
        if not self._desk.settings.auto_retrieve:
            for one in self._members(snapshot):
                if one.state is State.ENDED:
                    await self._in_time(self._desk.retrieve(one.ref, self._report))
        await self._rest(cycle, snapshot)

    async def _rest(self, cycle: Cycle, snapshot: Snapshot) -> None:
        """Decides when the next look is due: by both clocks, so that neither a suspend nor a set clock delays it."""
        self._failing = cycle.blocked.message if cycle.blocked else ""
        delay = self._desk.next_delay(cycle, snapshot)
        if other := cycle.polled_by:
            self._failing = other.failing
            if error := await self._desk.stalled():
                raise error
            if (at := time.monotonic()) - self._poked_at > delay:  # it may be set to look more seldom
                await self._desk.poke()
                self._poked_at = at
            delay = _STEP_BESIDE
        if self._failing:
            self._say(f"The last look failed: {self._failing}")
        self._next = (self._desk.clock() + timedelta(seconds=delay), time.monotonic() + delay)

    def _due(self) -> bool:
        clock, monotonic = self._next
        return self._desk.clock() >= clock or time.monotonic() >= monotonic

    async def _in_time(self, work: Awaitable[T]) -> T:
        """Finishes `work`, if there is time. What is being sent or written is finished in any case: cut short, its
        outcome would not be known. Raises TimeoutError."""
        doing = asyncio.ensure_future(work)
        try:
            await asyncio.wait({doing}, timeout=None if self._until is None else self._left())
            if not doing.done() and not self._desk.upkeep.working:
                raise TimeoutError
            return await doing
        finally:
            if not doing.done():
                doing.cancel()
                await asyncio.wait({doing})

    def _left(self) -> float:
        return float("inf") if self._until is None else max(self._until - time.monotonic(), 0.0)

    def _tell_troubles(self, batches: list[Batch]) -> None:
        for one in batches:
            if one.trouble:
                self._say(f"{one.label}: {one.trouble.message}")

    def _say(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def _timed_out(self, going: list[Batch]) -> BatchtuiError:
        assert self._patience is not None
        left = [one for one in going if one.state is not State.RETRIEVED]
        what = f"{plural(len(left), 'batch', 'batches')} not retrieved" if left else "What follows is not done"
        why = f" The last look failed: {self._failing}" if self._failing else ""
        waited = duration(timedelta(seconds=self._patience))
        return TimedOut(f"{what} after {waited}.{why}", "Nothing is lost, and all goes on: batchtui list shows it.")
