"""A desk's access to one state: what it knows, which process polls, and one look after another."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from batchtui.core import logs
from batchtui.core.api.connection import KeyInfo
from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Batch, Output, Snapshot, State
from batchtui.core.batches.find import find
from batchtui.core.batches.observe import check_counts
from batchtui.core.batches.submissions import batches_for
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.desk import adopt
from batchtui.core.desk.cycle import Cycle, Cycles, EachReport
from batchtui.core.desk.pace import Pace
from batchtui.core.desk.upkeep import Upkeep
from batchtui.core.errors import BatchtuiError, Failure, NotAllowed, PollerStalled
from batchtui.core.files import is_there
from batchtui.core.jobs.late_answers import step_name
from batchtui.core.jobs.steps import StepRunner
from batchtui.core.logs import log
from batchtui.core.notices.follow import Follower, follow
from batchtui.core.notices.teller import Teller
from batchtui.core.paths import seen
from batchtui.core.programs import without_keys
from batchtui.core.results import summary
from batchtui.core.results.downloads import Downloads
from batchtui.core.results.result_file import Results
from batchtui.core.results.retrieve import looked_at, where
from batchtui.core.sending.context import Context
from batchtui.core.sending.send import Sender
from batchtui.core.sending.waiting import WaitingParts
from batchtui.core.state.poller import BEAT, Election, Poller
from batchtui.core.state.silence import Silence, stalled

if TYPE_CHECKING:
    from batchtui.core.desk.service_desk import ServiceDesk
    from batchtui.core.results.summary import Summary


_BACK = "Put the file back from a copy of yours."

Redact = Callable[[str], str]
"""Removes keys from a text."""


class StateDesk:
    """The base of `desk.Desk`. As an async context manager, it closes itself."""

    def __init__(self, context: Context, *, command: str, interval: float | None, redact: Callable[[], Redact]) -> None:
        self.paths = context.paths
        self.settings = context.settings
        self.clock = context.clock
        self._redact = redact
        self._context = context
        self._connection = context.connection
        self._disk = context.disk
        self._election = Election(context.paths, command, context.clock)
        self._downloads = Downloads(context.connection, context.disk, context.paths, context.clock)
        self._sender = Sender(context, asyncio.sleep)
        self._parts = WaitingParts(context, self._sender)
        self._silence = Silence()
        self._beating: asyncio.Task[None] | None = None
        self._teller = Teller(
            context.disk,
            context.paths,
            context.settings.notify,
            context.clock,
            environment=context.connection.environment,
            redact=redact,
            step_name=lambda submission, number: step_name(context.paths, submission, number),
        )
        steps, pace = StepRunner(context), Pace(context.paths, context.clock, interval)
        self._cycles = Cycles(context, self._election, self._downloads, self._parts, steps, self._teller, pace=pace)
        self.upkeep = Upkeep(context, pace, steps, self._sender)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def key(self) -> KeyInfo | None:
        """Where the key would come from; None if there is none that can be used."""
        return self._connection.key()

    async def snapshot(self) -> Snapshot:
        """The state as it is now.

        Raises:
            StateError: it cannot be read.
        """
        return await self._disk.snapshot()

    async def changed(self, before: Snapshot) -> Snapshot | None:
        """The state if it differs from `before`, whoever changed it; otherwise None. Costs one stat."""
        return now if (now := await self.snapshot()) is not before else None

    def stop_telling(self) -> None:
        """Lets no slow channel hold up a process that is to end: what it was not told, the next process tells."""
        self._teller.stop()

    async def follow_events(self) -> Follower:
        """A reader of every event from where the last such reader came to. It must be closed.

        Raises:
            StateError: it cannot be noted how far they were read.
        """
        return await self._disk.run(lambda: follow(self.paths))

    async def find(self, word: str) -> Batch:
        """The batch that an id, a ref, a name or a unique prefix means. Raises UsageError unless just one matches."""
        return find(await self._disk.snapshot(), word)

    async def batches_for(self, word: str) -> list[Batch]:
        """The same, but the name of a submission of several batches means all of them. Raises UsageError."""
        return batches_for(await self._disk.snapshot(), word)

    async def summary(self, batch: Batch) -> Summary | None:
        """The summary of the results of a retrieved batch."""
        if batch.state is not State.RETRIEVED:
            return None
        path = self.paths.summary(batch.label)
        return await asyncio.to_thread(lambda: summary.read(path) if is_there(path) else None)

    async def results(self, batch: Batch) -> Results:
        """The results of a retrieved batch, to be read row by row and then closed."""
        if batch.state is not State.RETRIEVED:
            raise NotAllowed("Its results are not on this machine yet.", f"batchtui retrieve {batch.label}")
        return await asyncio.to_thread(Results.open, where(self.paths, batch))

    async def failed_rows(self, output: Output) -> Path | None:
        """The file in which an output keeps the rows it could not use; None if there is none."""
        from batchtui.core.outputs.kinds import failed_path

        def look() -> Path | None:
            path = failed_path(output)
            return path if path and seen(path) else None

        try:
            return await asyncio.to_thread(look)
        except (BatchtuiError, OSError):  # an output that this version does not know has no such file
            return None

    async def remote(self) -> list[Batch]:
        """The batches that the API lists and this state does not know, newest first."""
        return await adopt.unknown_to((await self._disk.snapshot()).batches, await self._connection.api())

    async def poller(self) -> Poller | None:
        """The process that polls, possibly this one; None if no process does."""
        return await self._disk.run(self._election.who)

    async def poll_if_free(self) -> bool:
        """Becomes the process that polls if there is none; true if this process polls. Kept until `close`."""
        if ours := await self._disk.run(self._election.stand):
            self._show_life()
        return ours

    async def stalled(self, *, asked: bool = False) -> PollerStalled | None:
        """The error for another process that polls, but is stopped or hangs. `asked`: it was just asked to look.

        To be called every second or so: its silence counts from the first call on.
        """
        beat = await asyncio.to_thread(self._election.last_beat)
        silent = self._silence.seconds(beat, time.monotonic())
        return stalled(await self.poller(), silent, self.clock(), asked=asked)

    def _show_life(self) -> None:
        async def beat() -> None:
            while True:
                await asyncio.to_thread(self._election.beat)
                await asyncio.sleep(BEAT)

        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(beat())

    async def poke(self) -> None:
        """Asks the process that polls to look now."""
        await self._disk.run(self._election.poke)

    async def poked(self) -> bool:
        """Whether another process asked this one to look since the last call."""
        return await self._disk.run(self._election.poked)

    async def prepare(self) -> None:
        """Imports the SDK in a thread, so that the first call does not wait for it. Does nothing without a key."""
        try:
            await self._connection.api()
        except BatchtuiError as error:
            log.info("not connected: %s", error.message)

    async def cycle(self, report: EachReport | None = None, *, wait: bool = True) -> Cycle:
        """Settles unknown submissions, polls, retrieves what has ended. Errors are recorded, never raised.

        With `wait` false the downloads continue on their own, so that a stalled one does not delay other batches.
        """
        self._show_life()
        return await self._cycles.run(report, wait=wait)

    async def answered(self) -> list[Failure]:
        """Waits until nothing more can be sent at once of what is past its deadline. What went wrong with that."""
        return await self._cycles.answered()

    def next_delay(self, cycle: Cycle, snapshot: Snapshot) -> float:
        """Seconds until the next cycle is worth it."""
        return self._cycles.next_delay(cycle, snapshot)

    async def retrieve(self, ref: str, report: Report | None = None) -> Batch:
        """Looks at a batch and, if it has ended, downloads, verifies and keeps its results.

        A batch that has not ended is returned as it is. A batch that is already retrieved costs no call.
        """
        batch = await self.find(ref)
        if batch.state is State.RETRIEVED and await asyncio.to_thread(is_there, where(self.paths, batch)):
            return batch
        if batch.state is State.RETRIEVED and batch.remote_deleted_at:
            raise NotAllowed(f"{where(self.paths, batch)} is not there any more, and the API's copy is deleted.", _BACK)
        if batch.id is None or batch.state in (State.REJECTED, State.GONE):
            raise NotAllowed(why_not(Verb.RETRIEVE, batch) or "It has no id.", f"batchtui show {batch.label}")
        if batch.state is not State.ENDED:
            seen = await (await self._connection.api()).get(batch.id)
            check_counts(batch, seen)
            batch = await self._disk.change(ref, lambda current: looked_at(current, seen)) or batch
        return await self._downloads.start(batch, report) if batch.state is State.ENDED else batch

    async def wait(
        self,
        *submissions: str,
        patience: float | None = None,
        report: Report | None = None,
        tell: Callable[[str], None] = log.info,
    ) -> list[Batch]:
        """Cycles until submissions are done, or can go no further on their own. Returns their batches as they are then.

        Done means that every part and step is retrieved and its outputs are written. `Batch.submission` names one.
        `tell` hears of each trouble on the way once. Raises TimedOut after `patience` seconds, else as `Wait.done`.
        """
        from batchtui.core.desk.wait import Wait

        return await Wait(self, submissions, patience=patience, report=report, tell=tell).done()

    def service(self, kind: str | None = None) -> ServiceDesk:
        """The background service of this state, `systemd` or `launchd`, by default what this platform has."""
        from batchtui.core.desk.service_desk import ServiceDesk, manager_for

        manager = manager_for(kind, self.paths, without_keys(os.environ, self.settings.secret_variables))
        return ServiceDesk(self.paths, self.settings, self._disk.snapshot, manager, os.environ)

    def write_log(self) -> None:
        """Writes the log from now on. Nothing that looks like a key gets into it."""
        logs.start(self.paths.log_file, self._redact(), json=self.settings.log_format == "json")

    @property
    def closed(self) -> bool:
        """Whether nothing can be asked of it any more."""
        return self._disk.closed

    async def close(self) -> None:
        """Stops what runs, leaves polling to others, and waits for what is being written."""
        if self._beating:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        await self._cycles.close()
        await self._teller.close()
        await self._downloads.close()
        await self._connection.close()
        await self._disk.run(self._election.resign)
        self._disk.close()
