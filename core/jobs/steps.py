"""Runs a step's outputs once its answers are here, then builds the next step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from batchtui.core.batches import going_on, plan
from batchtui.core.batches.batch import Batch, Output, Part, Snapshot, Submission, Trouble
from batchtui.core.batches.price import HALF, STANDARD
from batchtui.core.batches.spending import committed
from batchtui.core.batches.submissions import command, not_over
from batchtui.core.cost import estimate as estimates
from batchtui.core.cost.limit import hold_more
from batchtui.core.cost.parts import with_prices
from batchtui.core.cost.past import past_of
from batchtui.core.cost.tally import measure
from batchtui.core.cost.token_count import Sampled
from batchtui.core.errors import BadInput, BatchtuiError, Failure, OutputFailed, OverLimit, Unanswered, unforeseen
from batchtui.core.jobs.known_keys import sent_since
from batchtui.core.jobs.late_answers import earlier_answers, note_late, read_job_of
from batchtui.core.jobs.own_files import own_files_of
from batchtui.core.jobs.run_output import figures, run_output
from batchtui.core.lock import Lock
from batchtui.core.logs import log
from batchtui.core.outputs.export import refuse_ours
from batchtui.core.outputs.guard import UNGUARDED, Guard
from batchtui.core.paths import Paths, target_path
from batchtui.core.results.answers import Answers, files_of
from batchtui.core.sending.context import Context
from batchtui.core.sending.submit import note
from batchtui.core.state.archive import drop
from batchtui.core.state.lock_holder import stuck
from batchtui.core.state.store import Transaction
from batchtui.core.state.tickets import Ticket, ticket
from batchtui.core.text import inert_line, plural

if TYPE_CHECKING:
    from batchtui.core.jobs.draft_job import Priced
    from batchtui.core.jobs.job import Job, Step


class StepRunner:
    """Runs under a lock: any process that retrieves may do it, but only one at a time."""

    def __init__(self, context: Context) -> None:
        self._connection = context.connection
        self._disk = context.disk
        self._paths = context.paths
        self._clock = context.clock
        self._rules_with = context.rules_with
        self.working = False
        """Whether an output is being written or a step is built: that takes as long as it takes, within its limits."""

    async def go(self) -> list[Failure]:
        """Runs each output that is due, once, then builds the steps that are due. Returns what went wrong."""
        snapshot = await self._disk.snapshot()
        if not going_on.can_go_on(snapshot):
            return []
        lock = Lock(self._paths.outputs_lock)
        if not await asyncio.to_thread(lock.try_acquire):
            error = await asyncio.to_thread(stuck, lock.path, "no output is written, and no step begins")
            return [Failure(None, error)] if error else []
        failed: list[Failure] = []
        self.working = True
        try:
            for submission, batches in plan.outputs_due(await self._disk.snapshot()):
                await _to_its_end(self._guarded(submission, batches, self._run_outputs, failed, OutputFailed))
            for submission, batches in plan.late_due(await self._disk.snapshot()):
                await _to_its_end(self._guarded(submission, batches, self._run_late, failed, OutputFailed))
            for submission, batches in plan.step_due(await self._disk.snapshot()):
                await _to_its_end(self._guarded(submission, batches, self._build_step, failed))
        finally:
            self.working = False
            lock.release()
        return failed

    async def _guarded(
        self,
        submission: Submission,
        batches: list[Batch],
        work: Callable[[Submission, list[Batch]], Awaitable[None]],
        failed: list[Failure],
        called: type[BatchtuiError] | None = None,
    ) -> None:
        """Does one task. A mistake in the job, a failed program, the cost limit or a fault that no code expected stops
        it; all else is tried again. Other submissions go on in any case. What goes wrong is `called` that."""
        try:
            await work(submission, batches)
        except BatchtuiError as error:
            from batchtui.core.outputs.command import CommandFailed

            log.warning("%s: %s", submission.ref, error.message)
            for_good = isinstance(error, BadInput | CommandFailed | OverLimit)
            said = called(error.message, error.hint) if called else error
            await self._stopped(submission, said, failed, for_good)
        except Exception as error:  # noqa: BLE001
            log.warning("%s is not going on", submission.ref, exc_info=error)
            plain = unforeseen(error, "An output" if called else "The next step")
            said = called(plain.message, plain.hint) if called else plain
            await self._stopped(submission, said, failed, not isinstance(error, OSError))

    async def _stopped(
        self, submission: Submission, error: BatchtuiError, failed: list[Failure], for_good: bool
    ) -> None:
        await note(submission.ref, Trouble.of(error, self._clock()), self._disk, stopped=for_good)
        failed.append(Failure(next(iter(submission.batches), None), error))

    async def _run_outputs(self, submission: Submission, batches: list[Batch]) -> None:
        due = [(place, submission.outputs[place]) for place in plan.undone(submission, batches)]
        await self._run(submission, batches, due, lambda place, done: _output_done(submission.ref, place, done))

    async def _run_late(self, submission: Submission, batches: list[Batch]) -> None:
        """Runs the outputs of an earlier step again, now that more of its answers are here."""
        retried = next(one for one in batches if plan.pending(one))
        due = [(place, replace(one, done_at=retried.submitted_at)) for place, one in enumerate(plan.pending(retried))]
        await self._run(submission, batches, due, lambda _, done: note_late(batches, done))

    async def _run(
        self,
        submission: Submission,
        batches: list[Batch],
        due: list[tuple[int, Output]],
        noted: Callable[[int, Output], Callable[[Transaction], None]],
    ) -> None:
        """Runs outputs with the answers of a step, one after the other; `noted` records each one that is done."""
        scope = f"{submission.ref}.{batches[0].step}"
        now = max((one.retrieved_at for one in batches if one.retrieved_at), default=self._clock())
        environment = await asyncio.to_thread(self._connection.environment)
        answers = await asyncio.to_thread(Answers.open, files_of(self._paths, batches), for_outputs=True)
        try:
            for place, spec in due:
                guard = await asyncio.to_thread(self._guard, submission, spec, answers, batches[0].step)
                async with ticket(self._paths) as mine:
                    done, corrected = await run_output(
                        spec,
                        answers,
                        batches,
                        self._paths,
                        batch_id=scope,
                        now=now,
                        environment=environment,
                        guard=guard,
                        note=mine.note_path,
                    )
                at = max(self._clock(), now)  # even if the clock was set back, no answer is newer than its output
                await self._disk.commit(_both(noted(place, replace(done, done_at=at)), corrected))
                log.info("%s: %s", submission.ref, figures(done))
        finally:
            await asyncio.to_thread(answers.close)

    def _guard(self, submission: Submission, spec: Output, answers: Answers, step: int) -> Guard:
        """The files that an output must leave alone. Raises BadInput if it would write where batchtui keeps its own."""
        if not spec.path:
            return UNGUARDED
        target = refuse_ours(target_path(spec.path), self._paths)
        return own_files_of(self._paths, submission, step, target, answers)

    async def _build_step(self, submission: Submission, batches: list[Batch]) -> None:
        job = await asyncio.to_thread(read_job_of, self._paths, submission.ref, submission.name)
        snapshot = await self._disk.snapshot()
        this, following = job.steps[submission.step], job.steps[submission.step + 1]
        unanswered = await asyncio.to_thread(_unanswered, snapshot, self._paths, batches)
        if unanswered and this.on_error == "stop":
            trouble = Trouble(
                f"{plural(unanswered, 'request')} of {this.name} did not succeed, so {following.name} was not started.",
                f"Retry them: batchtui retry {submission.ref}. "
                'A job submitted with on_error = "skip" goes on without them.',
                self._clock(),
                Unanswered.code,
            )
            await self._disk.commit(_held(submission.ref, trouble))
            return
        async with ticket(self._paths) as mine:
            parts = await asyncio.to_thread(self._archive, job, submission, snapshot, mine)
            await self._begin_step(submission, following, parts)

    async def _begin_step(self, submission: Submission, following: Step, parts: tuple[Part, ...]) -> None:
        """Puts a step that is built into the state, or drops it if something changed in the meantime."""

        def write(tx: Transaction) -> bool:
            current = tx.submission(submission.ref)
            if current is None or current.step != submission.step or not current.steps:
                return False
            if current.batches != submission.batches:  # part of it was retried in the meantime
                return False
            if current.urgent != submission.urgent:  # its deadline passed in the meantime: it has another price
                return False
            _leave_outputs(tx, current)
            tx.put_submission(
                replace(
                    current,
                    step=current.step + 1,
                    steps=current.steps[1:],
                    outputs=following.outputs,
                    waiting=parts,
                    canary=bool(following.canary) and not current.urgent,
                    requests=current.requests + sum(part.requests for part in parts),
                    trouble=not_over(current.input, self._clock()) if current.by_hand else None,
                    held_at=None,
                )
            )
            return True

        if await self._disk.commit(write):
            log.info("%s: step %s is built", submission.ref, following.name)
        else:
            await asyncio.to_thread(drop, [part.ref for part in parts], self._paths)

    def _archive(self, job: Job, submission: Submission, snapshot: Snapshot, mine: Ticket) -> tuple[Part, ...]:
        from batchtui.core.jobs.draft_job import archive_step

        ours, following = plan.members(snapshot, submission), job.steps[submission.step + 1]
        share = STANDARD if submission.urgent else HALF
        go = command(submission.input) if submission.by_hand else f"batchtui retrieve {ours[-1].label}"

        what = f"The step {inert_line(following.name, 60)}"

        def price(rows: Path) -> Priced:
            past = past_of(snapshot, self._paths, submission.name)
            estimate = estimates.price(measure(rows, {}), Sampled(), past, self._clock())
            so_far = committed(ours, submission.waiting, submission.forgotten_usd)
            hold_more(what, estimate, so_far, submission.max_cost, f"{go} --max-cost USD", share)
            return lambda parts: with_prices(parts, estimate, self._paths, self._clock(), share)

        with earlier_answers(self._paths, job, submission, snapshot) as earlier:
            rules = self._rules_with(submission.betas)
            return archive_step(job, submission.step + 1, self._paths, earlier, price, rules=rules, named=mine.new_ref)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Finishes work that threads and programs would continue even if it is canceled: the lock is kept, and what is done
    is recorded, before the cancel takes effect. A second cancel gives the work up."""
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        try:
            await asyncio.wait({doing})
        finally:
            doing.cancel()
            await asyncio.wait({doing})
        raise


def _unanswered(snapshot: Snapshot, paths: Paths, batches: Sequence[Batch]) -> int:
    """How many requests have no answer, without those that a retry answered or a later run of the job sent again."""
    since = frozenset[str]().union(*(sent_since(snapshot, paths, one, one.submission) for one in batches))
    with Answers.open(files_of(paths, batches)) as answers:
        return sum(not answer.result.answered and answer.custom_id not in since for answer in answers)


def _both(*writes: Callable[[Transaction], None]) -> Callable[[Transaction], None]:
    def write(tx: Transaction) -> None:
        for one in writes:
            one(tx)

    return write


def _held(ref: str, trouble: Trouble) -> Callable[[Transaction], None]:
    def write(tx: Transaction) -> None:
        if current := tx.submission(ref):
            tx.put_submission(replace(current, trouble=trouble, held_at=trouble.at))

    return write


def _leave_outputs(tx: Transaction, submission: Submission) -> None:
    """Records a step's outputs on its batches, before the next step's outputs replace them."""
    for ref in submission.batches:
        batch = tx.batch(ref)
        if batch and batch.step == submission.step and submission.outputs:
            tx.put(replace(batch, outputs=(*batch.outputs, *submission.outputs)))


def _output_done(ref: str, place: int, done: Output) -> Callable[[Transaction], None]:
    def write(tx: Transaction) -> None:
        current = tx.submission(ref)
        if current:
            outputs = (*current.outputs[:place], done, *current.outputs[place + 1 :])
            tx.put_submission(replace(current, outputs=outputs, trouble=None))

    return write
