"""The same rows without a batch: asked at once at the standard price, and kept as a retrieved batch without an id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, Cost, Part, State, Submission, Trouble
from batchtui.core.batches.price import STANDARD
from batchtui.core.batches.submissions import command
from batchtui.core.desk import now_ask
from batchtui.core.desk.make_draft import make_draft
from batchtui.core.desk.now_runs import ELSEWHERE, Runs, Unfinished, given_up, on_disk, refuse_twice, watch
from batchtui.core.errors import BatchtuiError, StateError, Stopped, Unreachable, Unverified
from batchtui.core.jobs.steps import StepRunner
from batchtui.core.logs import log
from batchtui.core.requests.draft import discard
from batchtui.core.requests.split import Cut
from batchtui.core.results import summary as summaries
from batchtui.core.results.journal import kept
from batchtui.core.results.verify import Verdict, Verifier, expected_from
from batchtui.core.sending.context import Context
from batchtui.core.sending.submit import start_anew
from batchtui.core.state.store import Transaction
from batchtui.core.text import number, plural

_PIECE = 2_000_000


class Finished(Struct, frozen=True):
    """The batches that a run became, and what keeps it from its end: None where it is over."""

    batches: list[Batch]
    trouble: Trouble | None


class Urgent:
    """The runs of one state."""

    def __init__(self, means: Context) -> None:
        self._connection = means.connection
        self._disk = means.disk
        self._paths = means.paths
        self._clock = means.clock
        self._rules = means.settings.rules
        self._runs = Runs(means.paths)
        self._onward = StepRunner(means)

    async def begun(self, path: Path) -> Unfinished | None:
        """The run of a job that is past the answers of its first step and not over; None where there is none."""
        submission = self._runs.begun(await self._disk.snapshot(), path)
        return await asyncio.to_thread(self._runs.unfinished, submission) if submission else None

    async def look(self, sha256: str, *, again: bool) -> Unfinished | None:
        """The run of these rows whose first step is not answered, if any: what `begin` would find or refuse.

        Raises:
            NotAllowed: the same rows were submitted lately, and `again` was not said.
        """
        snapshot = await self._disk.snapshot()
        known = self._runs.of(snapshot, sha256)
        if known is None and not again:
            refuse_twice(snapshot, sha256, self._clock())
        return await asyncio.to_thread(self._runs.unfinished, known) if known else None

    async def begin(
        self, path: Path, *, name: str | None, again: bool, estimated_usd: float | None = None
    ) -> Submission:
        """The run of the rows of a file or job that is not over, else a new one, on disk before anything is asked.

        Raises:
            BadInput: the file or the job has problems.
            NotAllowed: the same rows were submitted lately, and `again` was not said.
            NoKey: there is no key to ask with.
        """
        await self._connection.api()
        made = await make_draft(path, self._paths, name, Cut(), self._rules)
        known = self._runs.of(await self._disk.snapshot(), made.sha256)
        if known:
            await asyncio.to_thread(discard, made, self._paths)
            return known
        now = self._clock()
        try:
            begun = await self._disk.commit(lambda tx: self._runs.claim(tx, made, now, estimated_usd, again=again))
        except BaseException:
            if made.ref not in (await self._disk.snapshot()).submissions:
                await asyncio.to_thread(discard, made, self._paths)
            raise
        if begun.ref != made.ref:
            await asyncio.to_thread(discard, made, self._paths)
        return begun

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
        """Step after step: asks what is not answered, writes the outputs, builds the next step of the answers.

        `max_cost` is the limit of all steps together, in place of the job's own. Once another process cancels it,
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
                raise Stopped("It was canceled meanwhile.", error.hint) from error
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
                await self.go_on(current, parallel=parallel, stop=stop, report=report, tell=tell)
                continue
            if stop.is_set():
                raise Stopped("It was stopped before the end.", await self.how_to_go_on(current))
            await self._onward.go()
            snapshot = await self._disk.snapshot()
            after = snapshot.submissions.get(current.ref)
            if after == current:  # another process is at it
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
    ) -> list[Batch]:
        """Asks what is not answered, verifies it, and puts each part into the state as a batch that is retrieved.

        Raises:
            Stopped: `stop` was set; the answers so far are kept.
            Busy: another process is at it.
            BatchtuiError: as `urgent.run` does; the answers so far are kept.
        """
        done: list[Batch] = []
        before = submission.requests - sum(part.requests for part in submission.waiting)
        for part in submission.waiting:
            try:
                verdict = await self._answer(part, parallel, stop, _beyond(report, before, submission.requests), tell)
            except BatchtuiError as error:
                first = "" if isinstance(error, Unreachable) else error.hint  # there is no next look at this
                error.with_hint(f"{first} {await self.how_to_go_on(submission)}".strip())
                raise
            done.append(await self._keep(submission, part, verdict))
            before += part.requests
        return done

    async def _answer(
        self,
        part: Part,
        parallel: int,
        stop: asyncio.Event | None,
        report: Report | None,
        tell: Callable[[str], None],
    ) -> Verdict:
        """Brings the results of one part under their final name, where they do not stand there yet."""
        final = self._paths.result(part.ref)
        journal = await asyncio.to_thread(self._runs.open, part)
        if journal is None:
            return await asyncio.to_thread(self._verify, final, part)
        try:
            api = await self._connection.api()
            archive = self._paths.archive(part.ref)
            log.info("%s: %s, %d answered", part.ref, plural(part.requests, "request"), len(journal.ids))
            await now_ask.run(
                api, archive, journal, part.requests, parallel=parallel, stop=stop, report=report, tell=tell
            )
            verdict = await asyncio.to_thread(self._verify, self._runs.journal(part), part)
            with on_disk(self._paths):
                await asyncio.to_thread(journal.finish, final)
            return verdict
        finally:
            await asyncio.to_thread(journal.close)

    def _verify(self, path: Path, part: Part) -> Verdict:
        verifier = Verifier(kept(path).counts, expected_from(self._paths.archive(part.ref), part.digest))
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                verifier.feed(piece)
        verdict = verifier.finish()
        if not verdict.ok:
            raise Unverified(
                f"The answers in {path} did not pass the check: {' '.join(verdict.anomalies)}",
                "Take the lines that are wrong out of it; their requests are asked again.",
            )
        return verdict

    async def _keep(self, submission: Submission, part: Part, verdict: Verdict) -> Batch:
        """Writes the summary, then the batch in place of the part that waits."""
        now = self._clock()
        made = summaries.summarise(
            verdict, batch_id=part.ref, name=submission.name, made_at=submission.created_at, now=now, share=STANDARD
        )
        with on_disk(self._paths):
            await asyncio.to_thread(summaries.write, self._paths.summary(part.ref), made)
        batch = Batch(
            ref=part.ref,
            name=submission.name,
            submission=submission.ref,
            submitted_at=submission.created_at,
            requests=part.requests,
            state=State.RETRIEVED,
            part=part.number,
            step=part.step,
            request_counts=verdict.counts,
            ended_at=now,
            models=part.models,
            digest=part.digest,
            results_path=str(self._paths.result(part.ref)),
            retrieved_at=now,
            cost=Cost(part.estimated_usd, made.actual_usd, made.saved_usd),
        )

        def write(tx: Transaction) -> None:
            current = tx.submission(submission.ref)
            if current is None or part.ref not in {one.ref for one in current.waiting}:
                return
            waiting = tuple(one for one in current.waiting if one.ref != part.ref)
            batches = (*current.batches, part.ref)
            trouble = current.trouble if waiting else None
            tx.put_submission(replace(current, waiting=waiting, batches=batches, trouble=trouble))
            tx.put(batch)

        await self._disk.commit(write)
        log.info("%s answered: %s", part.ref, plural(verdict.counts.total, "result"))
        return batch

    async def how_to_go_on(self, submission: Submission) -> str:
        """What is kept of a run, and what a person types to go on."""
        current = (await self._disk.snapshot()).submissions.get(submission.ref, submission)
        try:
            known = await asyncio.to_thread(self._runs.unfinished, current)
        except StateError:
            known = None
        what = f"{number(known.answered)} of {plural(current.requests, 'answer')} are" if known else "It is all"
        return f"{what} kept. To go on: {command(current.input)}"


def _beyond(report: Report | None, before: int, total: int) -> Report | None:
    """The report of a part as one of the whole, of which so many are done already."""
    return (lambda done, _: report(before + done, total)) if report else None
