"""Finishes a run without a batch: answers each step, writes its outputs, and builds the next step from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, Part, Submission, Trouble
from batchtui.core.batches.spending import too_dear
from batchtui.core.batches.submissions import command, over_limit
from batchtui.core.desk import now_ask
from batchtui.core.desk.now_lost import Lost
from batchtui.core.desk.now_part import answer_part, keep_part
from batchtui.core.desk.now_runs import ELSEWHERE, Runs, given_up, watch
from batchtui.core.errors import BatchtuiError, StateError, Stopped, Unreachable
from batchtui.core.jobs.steps import StepRunner
from batchtui.core.logs import log
from batchtui.core.sending.context import Context
from batchtui.core.sending.submit import start_anew
from batchtui.core.state.store import Transaction
from batchtui.core.text import number, plural


class Finished(Struct, frozen=True):
    """The batches that a run became, and what keeps it from finishing; None if it is over."""

    batches: list[Batch]
    trouble: Trouble | None


class NowRun:
    """Finishes the runs of one state."""

    def __init__(self, context: Context, runs: Runs) -> None:
        self._context = context
        self._disk = context.disk
        self._runs = runs
        self._steps = StepRunner(context)

    async def finish(
        self,
        submission: Submission,
        *,
        parallel: int = now_ask.PARALLEL,
        stop: asyncio.Event | None = None,
        max_cost: float | None = None,
        report: Report | None = None,
        tell: Callable[[str], None] = log.info,
    ) -> Finished:
        """Runs each step: sends what is not answered, writes the outputs, builds the next step from the answers.

        `max_cost` is the limit for all steps together, in place of the job's own. If another process cancels the run,
        `stop` is set. Raises as `go_on`.
        """

        def begin(tx: Transaction) -> None:
            start_anew(tx, {submission.ref}, max_cost)
            current = tx.submission(submission.ref)
            if current and current.stopped:
                tx.put_submission(replace(current, stopped=False))

        await self._disk.commit(begin)
        stop = stop or asyncio.Event()
        watching = asyncio.create_task(watch(self._disk, submission.ref, stop))
        try:
            return await self._finish(submission, parallel, stop, report, tell)
        except Stopped as error:
            if await given_up(self._disk, submission.ref):
                raise Stopped("It was canceled in the meantime.", error.hint) from error
            raise
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _finish(
        self,
        submission: Submission,
        parallel: int,
        stop: asyncio.Event,
        report: Report | None,
        tell: Callable[[str], None],
    ) -> Finished:
        while True:
            snapshot = await self._disk.snapshot()
            current = snapshot.submissions.get(submission.ref)
            if current is None or not plan.can_be_finished(snapshot, current):
                return Finished(plan.members(snapshot, current or submission), None)
            if current.waiting:
                if (most := too_dear(current, plan.members(snapshot, current))) is not None:
                    raise over_limit(current, most, command(current.input))
                await self.go_on(current, parallel=parallel, stop=stop, report=report, tell=tell)
                continue
            if stop.is_set():
                raise Stopped("It was stopped before it finished.", await self.how_to_go_on(current))
            await self._steps.go()
            snapshot = await self._disk.snapshot()
            after = snapshot.submissions.get(current.ref)
            if after == current:  # another process is working on it
                await asyncio.sleep(ELSEWHERE)
            elif after and after.trouble and not after.waiting:
                return Finished(plan.members(snapshot, after), after.trouble)

    async def go_on(
        self,
        submission: Submission,
        *,
        parallel: int = now_ask.PARALLEL,
        stop: asyncio.Event | None = None,
        report: Report | None = None,
        tell: Callable[[str], None] = log.info,
        parts: Sequence[Part] | None = None,
    ) -> list[Batch]:
        """Sends what is not answered, verifies the answers, and puts each part into the state as a retrieved batch.

        Only `parts` of what waits, if they are given.

        Raises:
            Stopped: `stop` was set; the answers so far are kept.
            Busy: another process is working on it.
            BatchtuiError: as `now_ask.run`; the answers so far are kept.
        """
        done: list[Batch] = []
        before = submission.requests - sum(part.requests for part in submission.waiting)
        for part in submission.waiting if parts is None else parts:
            lost = Lost(submission.ref, self._context)
            told = _beyond(report, before, submission.requests)
            try:
                verdict = await answer_part(
                    part,
                    submission.betas,
                    self._context,
                    self._runs,
                    parallel,
                    stop,
                    told,
                    tell,
                    lost=lost,
                    patient=not submission.by_hand,
                )
            except BatchtuiError as error:
                first = "" if isinstance(error, Unreachable) else error.hint  # no later look follows
                error.with_hint(f"{first} {await self.how_to_go_on(submission)}".strip())
                raise
            done.append(await keep_part(submission, part, verdict, self._context))
            before += part.requests
        return done

    async def answer(self, submission: Submission, parts: Sequence[Part], stop: asyncio.Event) -> list[Batch]:
        """Answers parts of a run that nobody waits for. If it is canceled, `stop` is set. Raises as `go_on`."""
        watching = asyncio.create_task(watch(self._disk, submission.ref, stop))
        try:
            return await self.go_on(submission, parts=parts, stop=stop)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def how_to_go_on(self, submission: Submission) -> str:
        """What is kept of a run, and what the user types to go on."""
        current = (await self._disk.snapshot()).submissions.get(submission.ref, submission)
        try:
            known = await asyncio.to_thread(self._runs.unfinished, current)
        except StateError:
            known = None
        what = f"{number(known.answered)} of {plural(current.requests, 'answer')} are" if known else "All of it is"
        if not submission.by_hand:
            return f"{what} kept. The batchtui that polls goes on by itself."
        return f"{what} kept. To go on: {command(current.input)}"


def _beyond(report: Report | None, before: int, total: int) -> Report | None:
    """The report of a part as a report of the whole run, in which `before` requests are already done."""
    return (lambda done, _: report(before + done, total)) if report else None
