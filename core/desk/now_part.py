"""One part of a run without a batch: sends its requests, verifies the answers, keeps them as a retrieved batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.api.protocol import Betas, Report
from batchtui.core.batches.batch import Batch, Cost, Output, Part, State, Submission
from batchtui.core.batches.price import STANDARD
from batchtui.core.batches.retries import after_all, with_retries
from batchtui.core.desk import now_ask
from batchtui.core.desk.now_lost import Lost
from batchtui.core.desk.now_runs import Runs, on_disk
from batchtui.core.errors import Unverified
from batchtui.core.jobs.late_answers import late_outputs
from batchtui.core.logs import log
from batchtui.core.results import summary as summaries
from batchtui.core.results.journal import kept
from batchtui.core.results.judge import judged
from batchtui.core.results.verify import Verdict, expected_from, verify_file
from batchtui.core.sending.context import Context
from batchtui.core.state.store import Transaction
from batchtui.core.text import plural


async def answer_part(
    part: Part,
    betas: Betas,
    context: Context,
    runs: Runs,
    parallel: int,
    stop: asyncio.Event | None,
    report: Report | None,
    tell: Callable[[str], None],
    *,
    lost: Lost,
    patient: bool = False,
) -> Verdict:
    """Brings the results of one part under their final name, unless they are there already. What is lost on the way is
    counted by `lost`. For `patient` see `now_ask.run`.

    Raises:
        OverLimit: with what an earlier process lost, it could cost more than the limit.
        BatchtuiError: as `now_ask.run`.
    """
    final = context.paths.result(part.ref)
    journal = await asyncio.to_thread(runs.open, part)
    if journal is None:
        return await asyncio.to_thread(_verified, final, part, context)
    asked = runs.asked(part)
    try:
        await lost.of_the_dead(part, asked)
        tries = await lost.tries()
        api = await context.connection.api()
        archive = context.paths.archive(part.ref)
        log.info("%s: %s, %d answered", part.ref, plural(part.requests, "request"), len(journal.ids))
        try:
            await now_ask.run(
                api,
                archive,
                journal,
                part.requests,
                betas=betas,
                parallel=parallel,
                stop=stop,
                report=report,
                tell=tell,
                tries_lost=tries,
                lost=lost.params.append,
                asked=asked,
                patient=patient,
            )
        finally:
            await lost.keep()
            with on_disk(context.paths):
                await asyncio.to_thread(asked.remove)
        verdict = await asyncio.to_thread(_verified, runs.journal(part), part, context)
        with on_disk(context.paths):
            await asyncio.to_thread(journal.finish, final)
        return verdict
    finally:
        await asyncio.to_thread(asked.close)
        await asyncio.to_thread(journal.close)


def _verified(path: Path, part: Part, context: Context) -> Verdict:
    """The verdict on answers that must be complete. Raises Unverified."""
    expected = expected_from(context.paths.archive(part.ref), part.digest)
    verdict = verify_file(path, kept(path).counts, expected)
    if not verdict.ok:
        raise Unverified(
            f"The answers in {path} did not pass the check: {' '.join(verdict.anomalies)}",
            "Remove the wrong lines from it; their requests are sent again.",
        )
    return verdict


async def keep_part(submission: Submission, part: Part, verdict: Verdict, context: Context) -> Batch:
    """Writes the summary, then the batch in place of the waiting part."""
    now, paths = context.clock(), context.paths
    late: tuple[Output, ...] = ()
    if part.retry_of:
        late = await asyncio.to_thread(
            late_outputs, paths, submission.ref, submission.name, part.step, of_job=bool(submission.step_names)
        )
    with on_disk(paths):
        verdict = await asyncio.to_thread(judged, verdict, paths.archive(part.ref), paths.result(part.ref))
    made = summaries.summarise(
        verdict, batch_id=part.ref, name=submission.name, made_at=submission.created_at, now=now, share=STANDARD
    )
    with on_disk(context.paths):
        await asyncio.to_thread(summaries.write, context.paths.summary(part.ref), made)
    batch = Batch(
        ref=part.ref,
        name=submission.name,
        submission=submission.ref,
        submitted_at=now if part.retry_of else submission.created_at,
        requests=part.requests,
        state=State.RETRIEVED,
        part=part.number,
        step=part.step,
        retry_of=part.retry_of,
        retried=part.retried,
        step_name=submission.name_of_step(part.step),
        request_counts=verdict.counts,
        outcomes=verdict.outcomes,
        ended_at=now,
        models=part.models,
        betas=submission.betas,
        digest=part.digest,
        results_path=str(context.paths.result(part.ref)),
        retrieved_at=now,
        cost=Cost(part.estimated_usd, made.actual_usd, made.saved_usd, part.max_usd),
    )

    def write(tx: Transaction) -> None:
        current = tx.submission(submission.ref)
        if current is None or part.ref not in {one.ref for one in current.waiting}:
            return
        waiting = tuple(one for one in current.waiting if one.ref != part.ref)
        batches = (*current.batches, part.ref)
        trouble = current.trouble if waiting and current.by_hand else None
        tx.put_submission(replace(current, waiting=waiting, batches=batches, trouble=trouble))
        kept = replace(batch, outputs=late) if part.retry_of and part.step < current.step else batch
        first = tx.batch(part.retry_of) if part.retry_of else None
        group = with_retries(tx.snapshot, first) if first else []
        tx.put(replace(kept, submitted_at=after_all(group, kept.submitted_at)))

    await context.disk.commit(write)
    log.info("%s answered: %s", part.ref, plural(verdict.counts.total, "result"))
    return batch
