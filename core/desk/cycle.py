"""The cycle that all ways of running share: poll, retrieve, run outputs, submit what is waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from msgspec import Struct

from batchtui.core.api.protocol import Api
from batchtui.core.batches import deadline, going_on
from batchtui.core.batches.batch import Batch, Snapshot, State
from batchtui.core.desk import leftovers
from batchtui.core.desk.keep import Keeping
from batchtui.core.desk.log_news import news
from batchtui.core.desk.pace import Pace
from batchtui.core.desk.way_out import WayOut
from batchtui.core.errors import BatchtuiError, Failure, NoKey, Unreachable, unforeseen
from batchtui.core.jobs.canary_outputs import try_outputs
from batchtui.core.jobs.steps import StepRunner
from batchtui.core.logs import log
from batchtui.core.notices.teller import Teller
from batchtui.core.results.downloads import Downloads, rests
from batchtui.core.results.identify import Identifier
from batchtui.core.sending import look
from batchtui.core.sending.context import Context
from batchtui.core.sending.waiting import WaitingParts
from batchtui.core.state.poller import Election, Poller
from batchtui.core.text import plural

_SWEEP = 600.0
"""Seconds between two searches for what dead processes left."""

EachReport = Callable[[str, int, int | None], None]
"""ref, done, total in bytes (None: not known): the progress of a batch's download."""


class Cycle(Struct, frozen=True, kw_only=True):
    """What one cycle did. With `polled_by`, another process polls and nothing was done; `blocked` stopped all of it.

    Not `due`: there was nothing to ask the API about, so it was not asked.
    """

    due: bool = True
    retrieved: tuple[str, ...] = ()
    submitted: tuple[str, ...] = ()
    errors: tuple[Failure, ...] = ()
    api_calls: int = 0
    polled_by: Poller | None = None
    blocked: BatchtuiError | None = None

    @property
    def offline(self) -> bool:
        return isinstance(self.blocked, Unreachable)

    @property
    def retry_after(self) -> float | None:
        """Seconds that the API asked to wait; None if it did not."""
        return self.blocked.retry_after if isinstance(self.blocked, Unreachable) else None


class Cycles:
    """Runs cycles while no other process does."""

    def __init__(
        self,
        context: Context,
        election: Election,
        downloads: Downloads,
        parts: WaitingParts,
        steps: StepRunner,
        teller: Teller,
        *,
        pace: Pace,
    ) -> None:
        self._connection = context.connection
        self._disk = context.disk
        self._paths = context.paths
        self._clock = context.clock
        self._auto_retrieve = context.settings.auto_retrieve
        self._election = election
        self._downloads = downloads
        self._parts = parts
        self._steps = steps
        self._teller = teller
        self._keeping = Keeping(context)
        self._pace = pace
        self._identifier = Identifier(context.disk, context.paths)
        self._following: set[asyncio.Task[None]] = set()
        self._told: Snapshot | None = None
        self._swept: float | None = None
        self._way_out = WayOut(context, self.advance)

    async def run(self, report: EachReport | None, *, wait: bool) -> Cycle:
        """Runs one cycle. Errors are recorded, never raised. With `wait` false the downloads continue on their own."""
        cycle = await self._run(report, wait=wait)
        if not cycle.polled_by:
            telling = self._teller.tell(cycle.blocked, looked=cycle.due)
            if wait:
                await telling
            else:
                self._follow(telling)
        return cycle

    async def _run(self, report: EachReport | None, *, wait: bool) -> Cycle:
        await self._sweep()
        snapshot = await self._disk.snapshot()
        if not self._due(snapshot):
            self._told = snapshot
            return Cycle(due=False, polled_by=await self._disk.run(self._other))
        if other := await self._disk.run(self._election.who_else):
            self._told = None
            return Cycle(polled_by=other)
        self._told = self._told or snapshot
        try:
            api = await self._connection.api()
        except BatchtuiError as error:
            return await self._announce(Cycle(errors=(Failure(None, error),), blocked=error))
        before = api.calls
        errors: list[Failure] = []
        try:
            await self._look(api, errors)
        except Exception as error:  # noqa: BLE001
            said = unforeseen(error, "Looking at the batches")
            if said is not error:
                log.warning("look: %s", said.message, exc_info=error)
            errors.append(Failure(None, said))
            if isinstance(said, NoKey):
                await self._connection.renew()
            return await self._announce(Cycle(errors=tuple(errors), api_calls=api.calls - before, blocked=said))
        self._pace.api_clock(api.server_time)
        looked = await self._disk.snapshot()
        if api.calls > before and looked is not snapshot:
            left, calls = len(look.under_way(looked)), plural(api.calls - before, "call")
            log.info("looked: %s under way, %s", plural(left, "batch", "batches"), calls)
        try:
            await self._way_out.begin(api, errors)
        except Exception as error:  # noqa: BLE001 - the rest of the cycle goes on, and the next one tries again
            said = unforeseen(error, "What is due at a deadline")
            log.warning("deadline: %s", said.message, exc_info=None if said is error else error)
            errors.append(Failure(None, said))
        retrieved = await self._retrieve(report, errors, wait=wait)
        submitted = await self.advance(errors)
        await self._keeping.run()
        await self._way_out.start()
        return await self._announce(
            Cycle(retrieved=retrieved, submitted=submitted, errors=tuple(errors), api_calls=api.calls - before),
        )

    def next_delay(self, cycle: Cycle, snapshot: Snapshot) -> float:
        """Seconds until the next cycle, as `Pace.delay` says."""
        return self._pace.delay(snapshot, cycle.api_calls, cycle.blocked)

    def _due(self, snapshot: Snapshot) -> bool:
        """Whether there is anything to do; if not, the SDK is not even imported."""
        return bool(
            look.under_way(snapshot)
            or look.open_intents(snapshot, self._clock())
            or self._to_retrieve(snapshot)
            or going_on.can_go_on(snapshot)
            or any(True for _ in deadline.past(snapshot, self._clock()))
            or self._keeping.due(snapshot)
        )

    def _to_retrieve(self, snapshot: Snapshot) -> list[Batch]:
        """What has ended, or only what a deadline cannot wait for if the user retrieves all else."""
        now = self._clock()
        ended = (one for one in snapshot.batches if one.state is State.ENDED and not rests(one, now))
        return [one for one in ended if self._auto_retrieve or one.overdue]

    def _other(self) -> Poller | None:
        poller = self._election.who()
        return None if poller is None or poller.ours else poller

    async def _sweep(self) -> None:
        """Removes what dead processes left, now and then. Any process may: locks tell the dead from the living."""
        at = time.monotonic()
        if self._swept is None or at - self._swept > _SWEEP:
            self._swept = at
            await leftovers.remove(self._disk, self._paths)

    async def _look(self, api: Api, errors: list[Failure]) -> None:
        looked = await look.look(api, self._disk, self._paths, self._clock, self._connection.account)
        errors += [Failure(ref, error) for ref, error in looked.failures.items()]
        for batch in (await self._disk.snapshot()).batches if looked.several else ():
            try:
                await self._identifier.rule_out(api, batch, looked.several.get(batch.ref, ()))
            except Exception as error:  # noqa: BLE001
                errors.append(Failure(batch.ref, unforeseen(error, "Identifying it")))

    async def _retrieve(self, report: EachReport | None, errors: list[Failure], *, wait: bool) -> tuple[str, ...]:
        ended = self._to_retrieve(await self._disk.snapshot())
        tasks = [
            self._downloads.start(one, report and (lambda done, total, ref=one.ref: report(ref, done, total)))
            for one in ended
        ]
        if not wait:
            if tasks:
                self._follow(self._go_on_after(tasks))
            return ()
        retrieved: list[str] = []
        for one, outcome in zip(ended, await asyncio.gather(*tasks, return_exceptions=True), strict=True):
            if isinstance(outcome, BatchtuiError):
                errors.append(Failure(one.ref, outcome))
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                retrieved.append(str(outcome.id))
        return tuple(retrieved)

    async def advance(self, errors: list[Failure]) -> tuple[str, ...]:
        """Does what the answers so far allow: outputs, next steps, waiting parts. Returns the ids that were sent."""
        await try_outputs(self._disk, self._paths)
        await self._parts.judge_canaries()
        await self._way_out.gather_rests(errors)
        wrong = await self._steps.go()
        dear = await self._parts.judge_limits()
        sent, failed = await self._parts.send()
        errors += [*wrong, *dear, *failed]
        return tuple(sent)

    async def _go_on_after(self, downloads: Sequence[asyncio.Task[Batch]]) -> None:
        """Goes on once the downloads that nobody waits for are done."""
        await asyncio.gather(*downloads, return_exceptions=True)
        await self.advance([])
        self._tell_news(await self._disk.snapshot())
        await self._way_out.start()
        await self._teller.tell(looked=False)

    def _follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Does what nobody waits for."""
        task = asyncio.create_task(work)
        self._following.add(task)
        task.add_done_callback(self._followed)

    def _followed(self, task: asyncio.Task[None]) -> None:
        self._following.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("going on: %s", error, exc_info=error)

    async def answered(self) -> list[Failure]:
        """Waits until nothing more can be sent at once of what is past its deadline. What went wrong with that."""
        was_at_it = self._way_out.at_it
        failed = await self._way_out.done()
        if was_at_it:
            await self._teller.tell(looked=False)
        return failed

    async def close(self) -> None:
        """Stops what follows the downloads, and what is sent at once; another cycle takes it up."""
        await self._way_out.close()
        following = tuple(self._following)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)

    def _tell_news(self, snapshot: Snapshot) -> None:
        """Says in the log what went wrong since the last time, or is well again."""
        for line in news(self._told or snapshot, snapshot):
            log.log(line.level, "%s", line.text)
        self._told = snapshot

    async def _announce(self, cycle: Cycle) -> Cycle:
        snapshot = await self._disk.snapshot()
        self._tell_news(snapshot)
        next_at = await self._disk.run(lambda: self._pace.note(snapshot, cycle.api_calls, cycle.blocked))
        failing = cycle.blocked
        looked_at = None if cycle.blocked else self._clock()
        await self._disk.run(lambda: self._election.announce(looked_at=looked_at, next_at=next_at, failing=failing))
        return cycle
