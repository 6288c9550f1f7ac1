"""Runs without a batch: rows sent at once at the standard price, and kept as a retrieved batch without an id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Submission
from batchtui.core.batches.price import STANDARD
from batchtui.core.cost.limit import refusal
from batchtui.core.cost.parts import with_prices
from batchtui.core.cost.preflight import Preflight
from batchtui.core.desk import now_ask
from batchtui.core.desk.examine import examine
from batchtui.core.desk.make_draft import changed, make_draft
from batchtui.core.desk.now_run import Finished, NowRun
from batchtui.core.desk.now_runs import Runs, Unfinished, refuse_twice
from batchtui.core.desk.taking_over import drop_handed_over, taken_over_by
from batchtui.core.errors import SentBefore, Stopped
from batchtui.core.requests.draft import NotSubmittable, discard
from batchtui.core.requests.split import Cut
from batchtui.core.requests.touch import NotAgreed, Touch
from batchtui.core.sending.context import Context
from batchtui.core.state.tickets import ticket
from batchtui.core.text import inert_line


class NowProposal(Struct, frozen=True):
    """What answering a file without a batch would do.

    `known` is a run that was cut short and will continue. `looked` is None if that run has all answers of its first
    step, so that its rows are paid for; or if its source has `changed` since, so that its rows are others.
    """

    looked: Preflight | None
    known: Unfinished | None
    changed: bool = False

    @property
    def touches(self) -> tuple[Touch, ...]:
        """What the job touches outside its folder, to agree to. Nothing if a run continues: that was agreed to."""
        return self.looked.touches if self.looked and not self.known else ()


class Now:
    """The runs of one state."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._connection = context.connection
        self._disk = context.disk
        self._paths = context.paths
        self._clock = context.clock
        self._runs = Runs(context.paths)
        self._run = NowRun(context, self._runs)

    async def answer(
        self,
        path: Path,
        *,
        name: str | None,
        again: bool,
        max_cost: float | None,
        parallel: int | None,
        agreed: Callable[[NowProposal], bool] | None,
        stop: asyncio.Event,
        give_up: asyncio.Event,
        checking: Report | None,
        report: Report | None,
        tell: Callable[[str], None],
    ) -> Finished | None:
        """Proposes the run and, if `agreed` says so, answers every request and does what follows. Otherwise None.

        Without `agreed`, a job that touches what is outside its folder is refused.
        Setting `stop` lets requests under way finish; setting `give_up` does not wait for them.

        Raises:
            NotSubmittable: the file has problems.
            SentBefore: the same rows were submitted recently, and `again` is false.
            NotAgreed: nobody agreed to what the job touches.
            OverLimit: it could cost more than the limit.
            Stopped: it was stopped before it finished.
            BatchtuiError: as `NowRun.finish`.
        """
        proposal = await self._propose(path, name=name, again=again, max_cost=max_cost, checking=checking)
        if agreed is None and proposal.touches:
            raise NotAgreed(path, proposal.touches)
        if agreed and not agreed(proposal):
            return None
        if looked := proposal.looked:
            if looked.over_limit:
                raise looked.over_limit
            submission = await self.begin(path, name=name, again=again, looked=looked)
        else:
            assert proposal.known
            submission = proposal.known.submission
        work = self._run.finish(
            submission, parallel=parallel or now_ask.PARALLEL, stop=stop, max_cost=max_cost, report=report, tell=tell
        )
        try:
            return await _unless(give_up, work)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not give_up.is_set() or (task and task.cancelling()):
                raise
            raise Stopped(
                "It was stopped before it finished. Requests under way may be billed.",
                await self._run.how_to_go_on(submission),
            ) from None

    async def _propose(
        self, path: Path, *, name: str | None, again: bool, max_cost: float | None, checking: Report | None
    ) -> NowProposal:
        if begun := None if again else await self.begun(path):
            return NowProposal(None, begun)
        looked = await examine(
            path, self._context, name=name or "", one_batch=False, now=True, again=again, report=checking
        )
        if looked.estimate is None:
            raise NotSubmittable(looked.checked)
        known = await self.look(looked.checked.sha256, again=again)
        if known is None and not again and (other := await self._of_other_rows(path, looked.checked.sha256, name)):
            return NowProposal(None, other, changed=True)
        limit = looked.max_cost if max_cost is None else max_cost
        return NowProposal(replace(looked, over_limit=refusal(looked.whole, limit, STANDARD)), known)

    async def _of_other_rows(self, path: Path, sha256: str, name: str | None) -> Unfinished | None:
        """The unfinished run of a job whose source has changed since, if the job wants only what is new; or None.

        Raises:
            SentBefore: the job wants all of its rows, and that run has some of them.
        """
        other = self._runs.of_other_rows(await self._disk.snapshot(), path, sha256, name)
        if other is None:
            return None
        from batchtui.core.jobs.read_job import read_job

        if not (await asyncio.to_thread(read_job, path)).new_only:
            raise SentBefore(
                f"A run of {inert_line(other.name)} with other rows is not finished: some of these may be answered.",
                "To finish it first, set new_only = true in the job. To buy all of it again, use --again.",
            )
        return await asyncio.to_thread(self._runs.unfinished, other)

    async def begun(self, path: Path) -> Unfinished | None:
        """The unfinished run of a job that has all answers of its first step; None if there is none."""
        submission = self._runs.begun(await self._disk.snapshot(), path)
        return await asyncio.to_thread(self._runs.unfinished, submission) if submission else None

    async def look(self, sha256: str, *, again: bool) -> Unfinished | None:
        """The run of these rows whose first step is not answered, if any: what `begin` would find or refuse.

        Raises:
            SentBefore: the same rows were submitted recently, and `again` is false.
        """
        snapshot = await self._disk.snapshot()
        known = self._runs.of(snapshot, sha256)
        if known is None and not again:
            refuse_twice(snapshot, sha256, self._clock(), (await self._connection.api()).server_time)
        return await asyncio.to_thread(self._runs.unfinished, known) if known else None

    async def begin(self, path: Path, *, name: str | None, again: bool, looked: Preflight | None = None) -> Submission:
        """The unfinished run of the rows of a file or job, else a new one, on disk before any request is sent.

        `looked` is what the user agreed to: other rows are not sent.

        Raises:
            BadInput: the file or the job has problems, or its rows have changed.
            SentBefore: the same rows were submitted recently, and `again` is false.
            NoKey: there is no key.
        """
        api = await self._connection.api()
        async with ticket(self._paths) as mine:
            made = await make_draft(path, self._context, name, Cut(), mine.new_ref, now=True, again=again)
            if looked and (made.sha256, made.touches) != (looked.checked.sha256, looked.touches):
                await asyncio.to_thread(discard, made, self._paths)
                raise changed(path)
            known = self._runs.of(await self._disk.snapshot(), made.sha256)
            if known:
                await asyncio.to_thread(discard, made, self._paths)
                return known
            now, at, estimate = self._clock(), api.server_time, looked.estimate if looked else None
            try:
                parts = await asyncio.to_thread(with_prices, made.parts, estimate, self._paths, now, STANDARD)
                made = replace(made, parts=parts)
                taken = await taken_over_by(path, made, self._context)
                begun = await self._disk.commit(
                    lambda tx: self._runs.claim(tx, made, now, at, again=again, takes_over=taken)
                )
            except BaseException:
                if made.ref not in (await self._disk.snapshot()).submissions:
                    await asyncio.to_thread(discard, made, self._paths)
                raise
            if begun.ref != made.ref:
                await asyncio.to_thread(discard, made, self._paths)
            await drop_handed_over(taken, self._context)
            return begun


async def _unless(give_up: asyncio.Event, work: Coroutine[Any, Any, Finished]) -> Finished:
    """Runs `work` to its end. `give_up`, or a cancel of this call, cancels it and waits until it has cleaned up."""
    doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(give_up.wait())
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            doing.cancel()
        return await doing
    except asyncio.CancelledError:
        doing.cancel()
        await asyncio.wait({doing})
        raise
    finally:
        leaving.cancel()
