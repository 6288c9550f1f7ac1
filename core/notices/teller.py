"""Tells what happened, inside the cycle: records it, and hands it to every channel of `[notify]`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from threading import Event as Stop

import msgspec
from msgspec.structs import replace

from batchtui.core.batches.batch import Snapshot
from batchtui.core.batches.events import changed, moving, untold
from batchtui.core.errors import BatchtuiError
from batchtui.core.files import own_way_out
from batchtui.core.lock import Lock
from batchtui.core.logs import log
from batchtui.core.notices import outage, standing
from batchtui.core.notices.channel import Channel, NotTold
from batchtui.core.notices.channels import channels, names
from batchtui.core.notices.follow import reached
from batchtui.core.notices.journal import Journal, Line, Mark, read_on
from batchtui.core.notices.record import MOST, StepName, record, safe_json
from batchtui.core.notices.standing import Standing
from batchtui.core.paths import Paths, seen
from batchtui.core.settings import Notify
from batchtui.core.state.store import Transaction
from batchtui.core.state.store_thread import StoreThread
from batchtui.core.text import inert_line, plural

ROUND = 60.0
"""Seconds after which a channel goes on with the next cycle."""

_FAILS = 2
"""After so many failures in a row, a channel is left alone for a while."""


class Teller:
    """The one of a process. Several processes may have one: the state's lock and a lock of its own keep them apart."""

    def __init__(
        self,
        disk: StoreThread,
        paths: Paths,
        settings: Notify,
        clock: Callable[[], datetime],
        *,
        environment: Callable[[], Mapping[str, str]],
        redact: Callable[[], Callable[[str], str]],
        step_name: StepName,
    ) -> None:
        self._disk = disk
        self._paths = paths
        self._settings = settings
        self._clock = clock
        self._environment = environment
        self._redact = redact
        self._step_name = step_name
        self._journal = Journal(paths.events, lambda: reached(paths))
        self._examined = Snapshot()
        self._standings: dict[str, Standing] = {}
        self._mark = Mark()
        self._unread: list[Line] = []
        self._said = ""
        self._stop = Stop()
        self._one = asyncio.Lock()

    async def tell(self, blocked: BatchtuiError | None = None, *, looked: bool = True) -> None:
        """Tells what is not told yet. `blocked` is what kept the cycle from looking, if it was to be `looked`. Raises
        nothing."""
        async with self._one:
            try:
                await self._tell(blocked, looked)
                self._said = ""
            except Exception as error:  # noqa: BLE001 - the cycle goes on, whatever is wrong here
                said = _words(error)
                if said != self._said:
                    known = isinstance(error, BatchtuiError | OSError)
                    log.error("events are not told: %s", said, exc_info=None if known else error)
                self._said = said

    def stop(self) -> None:
        """Ends what is being told: it is told again by the next process, with the same id."""
        self._stop.set()

    async def close(self) -> None:
        """Ends what is being told, and waits for that."""
        self.stop()
        async with self._one:
            pass

    async def _tell(self, blocked: BatchtuiError | None, looked: bool) -> None:
        wanted = names(self._settings)
        if not (await self._disk.snapshot()).batches and not await self._disk.run(self._paths.notices.exists):
            return
        if not wanted:
            await self._disk.run(lambda: standing.forget(self._paths.notices))
            await self._record(blocked, looked)
            return
        lock = Lock(self._paths.notices_lock)
        mine = await self._disk.run(lock.try_acquire)
        try:
            if mine:
                await self._disk.run(lambda: self._begin(wanted))
            await self._record(blocked, looked)
            if mine:
                await self._deliver()
        finally:
            lock.release()

    def _begin(self, wanted: list[str]) -> None:
        """Reads how far the channels have come. A new one is told of what is found from now on."""
        known = standing.read(self._paths.notices)
        if known.keys() != set(wanted):
            new = Standing(max(self._journal.last(), reached(self._paths)))
            known = {name: known.get(name, new) for name in wanted}
            standing.write(self._paths.notices, known)
        elif _changed(self._paths.settings) > _changed(self._paths.notices):  # maybe what failed is mended
            known = {name: replace(one, next_at=None) for name, one in known.items()}
        if known != self._standings:  # another process told some in the meantime
            self._standings, self._mark, self._unread = known, Mark(), []

    async def _record(self, blocked: BatchtuiError | None, looked: bool) -> None:
        snapshot, now = await self._disk.snapshot(), self._clock()
        if looked and (outage.matters(blocked) or await self._disk.run(self._paths.outage.exists)):
            await self._disk.commit(lambda _: self._follow_outage(blocked, now))  # the journal needs the state's lock
        if await asyncio.to_thread(self._any_untold, snapshot, now):
            redact = self._redact()

            def write(tx: Transaction) -> int:
                return record(tx, self._journal, now, self._concerned(tx.snapshot), self._step_name, redact)

            count = MOST
            while count == MOST:
                count = await self._disk.commit(write)
                log.info("recorded %s", plural(count, "event"))
        self._examined = snapshot

    def _any_untold(self, snapshot: Snapshot, now: datetime) -> bool:
        concerned = self._concerned(snapshot)
        return bool(concerned and untold(snapshot, now, concerned))

    def _concerned(self, snapshot: Snapshot) -> set[str]:
        """The records in which there can be anything new."""
        return changed(self._examined, snapshot) | moving(snapshot)

    def _follow_outage(self, blocked: BatchtuiError | None, now: datetime) -> None:
        before = outage.read(self._paths.outage)
        after = outage.follow(before, blocked if outage.matters(blocked) else None, now)
        event = outage.event_of(after, blocked, now) if after and blocked else None
        if after and event:
            self._journal.add([safe_json(event, self._redact())], now)
            after = replace(after, told=True)
        if after != before:
            outage.write(self._paths.outage, after)

    async def _deliver(self) -> None:
        new, self._mark = await self._disk.run(lambda: read_on(self._paths.events, self._mark))
        self._unread += new
        if not any(one.due(line) for one in self._standings.values() for line in self._unread):
            self._unread = []
            return
        secret = os.environ.get(self._settings.secret_variable) if self._settings.secret_variable else None
        ways = channels(self._settings, self._environment, secret)
        await asyncio.gather(*(self._tell_one(name, way) for name, way in ways.items()))
        self._unread = [line for line in self._unread if any(one.due(line) for one in self._standings.values())]

    async def _tell_one(self, name: str, way: Channel) -> None:
        """Tells one channel what it did not have, until it fails or the round has lasted long enough."""
        now, until = self._clock(), time.monotonic() + ROUND
        at = self._standings[name]
        due = [line for line in self._unread if at.due(line)]
        lost = at.waiting.keys() - {line.seq for line in due}
        at = replace(at, waiting={seq: tries for seq, tries in at.waiting.items() if seq not in lost})
        if at.rests(now):
            return
        told = failed = in_a_row = 0
        for line in due:
            if in_a_row == _FAILS or time.monotonic() > until or self._stop.is_set():
                break
            if _name_of(line) not in self._settings.on:
                at = at.had(line)
                continue
            if at.gives_up(line, now):
                log.error("notify: %s: given up after a day: %s", name, _id_of(line))
                at = at.had(line)
                continue
            try:
                await asyncio.to_thread(way, line, self._stop)
            except NotTold as error:
                if self._stop.is_set():
                    break
                if at.since is None:
                    log.error("notify: %s: %s. It is tried again.", name, inert_line(str(error), 500))
                at, failed, in_a_row = at.failed(line, now), failed + 1, in_a_row + 1
            else:
                again = at.since
                at, told, in_a_row = at.had(line), told + 1, 0
                if again and at.since is None:
                    log.info("notify: %s works again", name)
            await self._keep(name, at)
        await self._keep(name, at.after_round(told, failed, now))

    async def _keep(self, name: str, at: Standing) -> None:
        def keep() -> None:
            if self._standings[name] != at:
                self._standings = {**self._standings, name: at}
                standing.write(self._paths.notices, self._standings)

        await self._disk.run(keep)


class _Head(msgspec.Struct):
    id: str
    event: str


_head = msgspec.json.Decoder(_Head)


def _changed(path: Path) -> int:
    about = seen(path)
    return about.st_mtime_ns if about else 0


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or type(error).__name__}. {own_way_out(error)}"
    return f"{error.message} {error.hint}".rstrip() if isinstance(error, BatchtuiError) else str(error)


def _name_of(line: Line) -> str:
    return _head.decode(line.event).event


def _id_of(line: Line) -> str:
    return inert_line(_head.decode(line.event).id, 200)
