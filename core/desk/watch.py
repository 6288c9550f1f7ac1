"""The loop of a process that polls for months: it looks when a look is due, and rests until the next.

Signals may end it at any moment. A machine that slept, a clock that was set and a network that was away cost one look
each. Only the loop itself tells the service manager that it lives, and only once work is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import uniform

from batchtui.core.desk.cycle import Cycle
from batchtui.core.desk.desk import Desk
from batchtui.core.desk.timepiece import Reading, Timepiece
from batchtui.core.desk.vital_signs import VitalSigns
from batchtui.core.errors import BatchtuiError, PollerStalled, StateError, unforeseen
from batchtui.core.logs import log
from batchtui.core.service.notify_socket import NotifySocket
from batchtui.core.text import inert_line

_TRY = 3.0
"""Seconds between two attempts to take the place of the process that polls."""

_TICK = 1.0
_GRACE = 20.0
"""Seconds that a create at the host, or an output that is being written, may take once the process is to end."""

_FAILED = (5.0, 30.0, 120.0, 300.0)
"""Seconds until a cycle that broke is tried again: the state could not be read or written."""

_NETWORK = (2.0, 10.0)
"""Seconds, at least and at most, that a network needs after a sleep."""


_LOST = "The state is gone, or was replaced by an older one: what it held is not looked at any more."
_PUT_BACK = "Put state.json back. If it is lost, batchtui list --remote shows what the API has."


class Asked:
    """What signals ask of the loop."""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()
        self.woken = asyncio.Event()

    def stop(self) -> None:
        """To end at the next safe point, within seconds."""
        self.stopped.set()
        self.woken.set()

    def read_again(self) -> None:
        """To read the settings again, and look for the key again."""
        self.woken.set()


class Watch:
    """Runs a desk's cycles until it is stopped, or asked to read the settings again.

    `told` is awaited after each round, `complain` gets each new error. The signs of life go to `notify`.
    """

    def __init__(
        self,
        desk: Desk,
        asked: Asked,
        notify: NotifySocket,
        *,
        timepiece: Timepiece,
        told: Callable[[Desk, Cycle], Awaitable[None]],
        complain: Callable[[BatchtuiError], None],
    ) -> None:
        self._desk = desk
        self._asked = asked
        self._timepiece = timepiece
        self._told = told
        self._complain = complain
        self._signs = VitalSigns(desk, notify, timepiece.read().boot)
        self._said = frozenset[str]()
        self._broken = 0
        self._ours = False
        self._stalled: PollerStalled | None = None
        self._revision = 0

    async def run(self) -> None:
        """Returns once `asked.woken` is set: for the end, or to read the settings again."""
        while not self._asked.woken.is_set():
            try:
                cycle, delay = await self._round()
                self._broken = 0
            except Exception as error:  # noqa: BLE001 - months: nothing that goes wrong once may end it
                cycle, delay = None, self._survive(error)
            if cycle:
                await self._told(self._desk, cycle)
            await self._rest(delay)

    async def _round(self) -> tuple[Cycle | None, float]:
        """Looks if this process polls. Returns what came of it, and the seconds until the next round."""
        ours = await self._desk.poll_if_free()
        began, self._ours = ours and not self._ours, ours
        await self._signs.begun(self._timepiece.read().boot, ours=ours)
        if not ours:
            return Cycle(polled_by=await self._desk.poller()), _TRY
        if began and (due := await self._desk.upkeep.due_in()):
            log.info("polls from now on, first in %d s: another process looked before", due)
            return Cycle(due=False), due
        cycle = await self._cycle()
        if cycle is None:
            return None, 0.0
        for failure in cycle.errors:
            if failure.message not in self._said:
                self._complain(failure.error)
        self._said = frozenset(one.message for one in cycle.errors)
        snapshot = await self._desk.snapshot()
        self._follow(snapshot.revision)
        delay = self._desk.next_delay(cycle, snapshot)
        self._signs.looked(cycle, snapshot, delay)
        return cycle, delay

    def _follow(self, revision: int) -> None:
        """Says it once if the state is older than it was, or gone: its batches are no longer looked at."""
        was, self._revision = self._revision, revision
        if revision < was:
            lost = StateError(_LOST, _PUT_BACK)
            log.error("%s %s", lost.message, lost.hint)
            self._complain(lost)

    async def _cycle(self) -> Cycle | None:
        """One cycle; None if it was broken off because the process is to end."""
        work = asyncio.create_task(self._desk.cycle(self._signs.progress))
        end = asyncio.create_task(self._asked.stopped.wait())
        try:
            while not (work.done() or end.done()):
                await asyncio.wait({work, end}, timeout=_TICK, return_when=asyncio.FIRST_COMPLETED)
                await self._signs.working(self._timepiece.read().boot)
            if not work.done():
                await self._break_off(work)
        finally:
            end.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
        return None if work.cancelled() else work.result()

    async def _break_off(self, work: asyncio.Task[Cycle]) -> None:
        """Ends a cycle at a safe point: a create gets its answer, what is being written is finished, if that is soon. A
        download is dropped. A second cancel gives up what outlasts the grace."""
        self._desk.stop_telling()
        loop = asyncio.get_running_loop()
        until = loop.time() + _GRACE
        while self._desk.upkeep.sending and not work.done() and loop.time() < until:
            await asyncio.wait({work}, timeout=0.1)
        work.cancel()
        await asyncio.wait({work}, timeout=max(until - loop.time(), _TICK))

    def _survive(self, error: Exception) -> float:
        """After a round that broke: says it once, and returns the seconds until the next."""
        known = unforeseen(error, "A round of the monitor")
        if known.message not in self._said:
            trace = None if known is error else error
            log.error("%s %s", inert_line(known.message, 1000), inert_line(known.hint, 1000), exc_info=trace)
            self._complain(known)
        self._said = frozenset({known.message})
        self._broken += 1
        return _FAILED[min(self._broken, len(_FAILED)) - 1]

    async def _rest(self, seconds: float) -> None:
        """Waits, but only until the process is asked for something, the machine wakes up, or its clock is set."""
        began = before = self._timepiece.read()
        while (left := began.boot + seconds - before.boot) > 0 and not self._asked.woken.is_set():
            await self._timepiece.wait(self._asked.woken, min(left, self._timepiece.step))
            now = self._timepiece.read()
            if await self._jumped(now, before):
                return
            before = now
            try:
                if await self._desk.poked() and self._ours:
                    return
                await self._look_at_poller()
            except BatchtuiError:
                return  # the next round says it
            await self._signs.rested(now.boot)

    async def _jumped(self, now: Reading, before: Reading) -> bool:
        """Whether time jumped: one look catches up, whatever was due in between."""
        slept, stepped = now.slept(before), now.stepped(before)
        if not slept and not stepped:
            return False
        if slept:
            log.info("the machine slept for %d s: looking now", slept)
            await self._timepiece.wait(self._asked.woken, uniform(*_NETWORK))  # noqa: S311 - no secret
        else:
            log.info("the clock was set by %+d s: looking now", stepped)
        with suppress(BatchtuiError):
            await self._desk.upkeep.woke()
        return True

    async def _look_at_poller(self) -> None:
        if self._ours:
            return
        was, self._stalled = self._stalled, await self._desk.stalled()
        if self._stalled and not was:
            log.error("%s %s", inert_line(self._stalled.message, 1000), inert_line(self._stalled.hint, 1000))
            self._complain(self._stalled)
