"""Two loops: one watches the state for changes by any process, one polls the API if no other process does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace
from textual.message import Message

from batchtui.core.batches.batch import Snapshot, State
from batchtui.core.desk.cycle import Cycle
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError, PollerStalled
from batchtui.core.logs import log
from batchtui.core.state.poller import Poller
from batchtui.core.text import inert_line
from batchtui.tui.activity import news
from batchtui.tui.attention import calls
from batchtui.tui.messages import BatchesChanged, Called, Pulse, PulseChanged, Reported
from batchtui.tui.tasks import Kind, Task

WATCH = 1.0
"""Seconds between two checks of the state file: another process's changes show within two."""

TRY = 3.0
"""Seconds between two attempts to become the process that polls."""

SLEPT = timedelta(seconds=30)
"""If a second took this much longer by the wall clock, the machine was asleep or its clock was set."""

_BACKOFF = (5.0, 15.0, 60.0, 300.0)


async def has_key(desk: Desk) -> bool:
    """Whether there is an API key. Checked on a thread, as it may be in a file."""
    return await asyncio.to_thread(desk.key) is not None


class Sync:
    """Both loops and what they know. They send news through `post`; `tasks` shows the downloads of a cycle."""

    def __init__(
        self, desk: Desk, now: Callable[[], datetime], post: Callable[[Message], object], tasks: dict[Task, None]
    ) -> None:
        self._desk = desk
        self._now = now
        self._post = post
        self._tasks = tasks
        self._snapshot = Snapshot()
        self._woken = asyncio.Event()
        self._asked = False
        self._downloads: dict[str, Task] = {}
        self._watch_trouble = ""
        self.pulse = Pulse()

    async def look_now(self) -> None:
        """Polls the API now, whichever process polls, even while paused."""
        try:
            await self._desk.poke()
        finally:
            self.wake()

    def wake(self) -> None:
        """Polls the API now if this process is the one that polls."""
        self._asked = True
        self._woken.set()

    def pause(self) -> bool:
        """Pauses or resumes polling; returns whether it is paused now."""
        self._set(replace(self.pulse, paused=not self.pulse.paused, next_at=None))
        if not self.pulse.paused:
            self._woken.set()
        return self.pulse.paused

    async def watch(self, snapshot: Snapshot) -> None:
        """Follows the state from `snapshot` on, forever."""
        self._snapshot = snapshot
        while True:
            await self.see()
            await asyncio.sleep(WATCH)

    async def see(self) -> None:
        """Checks the state, who polls, and whether there is a key, once."""
        self._set(replace(self.pulse, key=await has_key(self._desk)))
        try:
            changed = await self._desk.changed(self._snapshot)
            poller, stalled = await self._desk.poller(), await self._desk.stalled()
            if self._watch_trouble:
                self._watch_trouble = ""
                self._set(replace(self.pulse, trouble=""))
                self._woken.set()
        except BatchtuiError as error:
            if not self._watch_trouble:
                self._post(Reported(error.message, error.hint, bad=True))
            self._watch_trouble = error.message
            self._set(replace(self.pulse, trouble=error.message))
            return
        except Exception as error:  # noqa: BLE001 - the loop must survive any error
            if self._desk.closed:  # the app ends right now
                return
            log.exception("watching the state")
            self._watch_trouble = f"Watching the state failed ({type(error).__name__})."
            self._set(replace(self.pulse, trouble=self._watch_trouble))
            return
        if changed is not None and changed is not self._snapshot:  # else another check was faster
            self._tell_news(changed)
            before, self._snapshot = self._snapshot, changed
            self._post(BatchesChanged(changed))
            retrieves = self._desk.settings.auto_retrieve
            if found := await asyncio.to_thread(calls, before, changed, retrieves=retrieves):  # 1,000 ends take 40 ms
                self._post(Called(found))
        self._set(self._with_poller(poller, stalled))

    def _with_poller(self, poller: Poller | None, stalled: PollerStalled | None) -> Pulse:
        pulse = replace(self.pulse, poller=poller)
        if stalled:
            if pulse.trouble != stalled.message:
                self._post(Reported(stalled.message, stalled.hint, bad=True, toast=True))
            return replace(pulse, looked_at=poller and poller.looked_at, next_at=None, trouble=stalled.message)
        if poller is None:
            others = self.pulse.poller is not None and not self.pulse.poller.ours
            return replace(pulse, next_at=None, trouble="" if others else pulse.trouble)
        if poller.ours:
            next_at = None if pulse.paused else pulse.next_at
            return replace(pulse, looked_at=poller.looked_at or pulse.looked_at, next_at=next_at)
        return replace(pulse, looked_at=poller.looked_at, next_at=poller.next_at, trouble=poller.failing)

    async def poll(self) -> None:
        """Polls forever if no other process does, and takes over when that one is gone."""
        failures = 0
        try:
            await self._desk.prepare()
        except BatchtuiError as error:
            self._post(Reported(error.message, error.hint, bad=True))
        while True:
            try:
                delay = await self._once()
                failures = 0
            except Exception as error:  # noqa: BLE001 - the loop must survive any error
                known = isinstance(error, BatchtuiError)
                if not known:
                    log.exception("looking at the API")
                message = error.message if isinstance(error, BatchtuiError) else f"Unexpected {type(error).__name__}"
                delay = _BACKOFF[min(failures, len(_BACKOFF) - 1)]
                failures += 1
                self._post(Reported(f"Polling the API failed: {message}", getattr(error, "hint", ""), bad=True))
                self._set(replace(self.pulse, looking=False, trouble=f"{message} (trying again)"))
            await self._rest(delay)

    async def _once(self) -> float:
        """Runs one cycle if this process polls and is not paused; returns the seconds until the next."""
        if not await has_key(self._desk):
            self._set(replace(self.pulse, key=False, next_at=None))
            return TRY
        if not await self._desk.poll_if_free():
            self._asked = False  # the process that polls was asked
            return TRY
        asked = await self._desk.poked()
        if self.pulse.paused and not asked and not self._asked:
            return 0.0
        self._asked = False
        self._woken.clear()
        self._set(replace(self.pulse, looking=True))
        cycle = await self._desk.cycle(self._download, wait=False)
        self._tell(cycle)
        await self.see()
        delay = self._desk.next_delay(cycle, self._snapshot)
        now = self._now()
        failing = next((error.message for error in cycle.errors if error.batch is None), "")
        self._set(
            replace(
                self.pulse,
                looking=False,
                looked_at=now if cycle.due and not cycle.blocked else self.pulse.looked_at,
                next_at=now + timedelta(seconds=delay) if cycle.due else None,
                trouble=failing,
            )
        )
        return delay

    def _download(self, ref: str, done: int, total: int | None) -> None:
        """Records the progress of a download that a cycle started; called from a worker thread."""
        task = self._downloads.get(ref)
        if task is None:
            name = next((batch.name for batch in self._snapshot.batches if batch.ref == ref), ref)
            task = self._downloads[ref] = Task(Kind.RETRIEVE, f"Retrieving {inert_line(name, 60)}", ref=ref)
            self._tasks[task] = None
        task.report(done, total)

    def _tell(self, cycle: Cycle) -> None:
        for error in cycle.errors:
            if error.batch is None and error.message != self.pulse.trouble:
                self._post(Reported(error.message, error.hint, bad=True))

    def _tell_news(self, snapshot: Snapshot) -> None:
        for item in news(self._snapshot, snapshot):
            self._post(Reported(item.text, item.hint, bad=item.bad))
        waiting = {batch.ref for batch in snapshot.batches if batch.state is State.ENDED and not batch.trouble}
        for ref in self._downloads.keys() - waiting:
            self._tasks.pop(self._downloads.pop(ref), None)

    async def _rest(self, seconds: float) -> None:
        """Waits, but only until someone asks for a poll, the machine wakes up, or a pause ends."""
        waited = 0.0
        while waited < seconds or self.pulse.paused:
            step = min(1.0, max(seconds - waited, 0.05)) if not self.pulse.paused else 1.0
            before = self._now()
            try:
                await asyncio.wait_for(self._woken.wait(), step)
            except TimeoutError:
                waited += step
            if self._woken.is_set():
                self._woken.clear()
                return
            if abs(self._now() - before) > SLEPT and not self.pulse.paused:
                self._post(Reported("The machine was asleep, or its clock was set: polling now."))
                return
            try:
                if await self._desk.poked():
                    self._asked = True
                    return
            except BatchtuiError:
                continue

    def _set(self, pulse: Pulse) -> None:
        if pulse != self.pulse:
            self.pulse = pulse
            self._post(PulseChanged(pulse))
