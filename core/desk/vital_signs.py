"""The signs of life of a process that polls: to the service manager, and an hourly line in the log."""

from __future__ import annotations

from datetime import timedelta

from batchtui.core.batches.batch import Snapshot
from batchtui.core.desk import outages
from batchtui.core.desk.cycle import Cycle
from batchtui.core.desk.desk import Desk
from batchtui.core.logs import log
from batchtui.core.sending.look import under_way
from batchtui.core.service.notify_socket import NotifySocket
from batchtui.core.text import inert_line, plural

_HEARTBEAT = 3600.0

_SILENT = 900.0
"""Seconds without progress after which a cycle counts as hung. All calls have shorter limits of their own."""

_PER_WATCHDOG = 4.0


class VitalSigns:
    """Counts what was done. Times are seconds of the clock that goes on in sleep."""

    def __init__(self, desk: Desk, notify: NotifySocket, now: float) -> None:
        self._desk = desk
        self._notify = notify
        self._ready = False
        self._counted_since = now
        self._told_at: float | None = None
        self._progressed = False
        self._progress_at = now
        self._looks = self._calls = self._running = 0

    async def begun(self, now: float, *, ours: bool) -> None:
        """A round has begun: whether this process polls is known, and the state can be read. Raises StateError."""
        self._running = len(under_way(await self._desk.snapshot()))
        if not self._ready:
            self._ready = True
            self._notify.ready("Polls" if ours else "Waits: another process polls")
        self._progress_at = now
        self._live(now)

    def progress(self, ref: str, done: int, total: int | None) -> None:
        """A download goes on. May be called from any thread."""
        self._progressed = True

    async def working(self, now: float) -> None:
        """A cycle is under way: it lives while it gets on, and while what takes long has a limit of its own."""
        await self._desk.poller()  # comes back from the thread of the state, or not at all
        if self._progressed or self._desk.upkeep.working:
            self._progressed, self._progress_at = False, now
        if now - self._progress_at < _SILENT:
            self._live(now)

    async def rested(self, now: float) -> None:
        """A step of the rest is done."""
        self._live(now)
        if now - self._counted_since >= _HEARTBEAT:
            self._beat(now)

    def looked(self, cycle: Cycle, snapshot: Snapshot, delay: float) -> None:
        """A cycle is done; the next comes after `delay` seconds."""
        self._looks += 1 if cycle.api_calls else 0
        self._calls += cycle.api_calls
        self._running = len(under_way(snapshot))
        state = inert_line(cycle.blocked.message, 120) if cycle.blocked else self._under_way()
        at = self._desk.clock() + timedelta(seconds=delay)
        self._notify.status(f"{state}; next look at {at.astimezone():%H:%M:%S}" if cycle.due else state)

    def _beat(self, now: float) -> None:
        outage = self._desk.upkeep.outage
        failing = f"; {outages.words(outage, self._desk.clock())}" if outage else ""
        looks, calls = plural(self._looks, "look"), plural(self._calls, "call")
        log.info("alive: %s, %s, %s in the last hour%s", self._under_way(), looks, calls, failing)
        self._counted_since, self._looks, self._calls = now, 0, 0

    def _under_way(self) -> str:
        return f"{plural(self._running, 'batch', 'batches')} under way"

    def _live(self, now: float) -> None:
        every = (self._notify.watchdog or 0.0) / _PER_WATCHDOG
        if self._notify.watchdog and (self._told_at is None or now - self._told_at >= every):
            self._told_at = now
            self._notify.alive()
