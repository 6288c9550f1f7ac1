"""Canceling a batch at the API, and forgetting one here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

from batchtui.core.api.protocol import Api
from batchtui.core.batches.batch import Batch, Part, State
from batchtui.core.batches.deadline import left_alone, withdrawn
from batchtui.core.batches.forgetting import behind, without
from batchtui.core.batches.observe import check_counts, observe
from batchtui.core.batches.remote import ProcessingStatus, Remote
from batchtui.core.batches.spending import committed
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.errors import ApiError, BatchtuiError, NoKey, NotAllowed, NotFound, Unreachable, UsageError
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.sending.context import Context
from batchtui.core.sending.look import never_accepted
from batchtui.core.sending.look_again import look_once_more
from batchtui.core.state.archive import drop
from batchtui.core.state.store import Transaction
from batchtui.core.state.tickets import ticket
from batchtui.core.text import inert_line


class CancelOutcome(NamedTuple):
    """The result of canceling. `batches` are as they are now: canceled, or over before; `failures` are by ref. Those in
    `sending` are on their way right now, and can be canceled only once they are accepted."""

    batches: list[Batch]
    failures: dict[str, BatchtuiError]
    sending: list[Batch]


async def cancel(batch: Batch, context: Context) -> Batch:
    """Asks the API to cancel: what has run by then is kept and billed.

    A batch that had ended before, unseen, is returned as the API has it now.

    Raises:
        NotAllowed: there is nothing to cancel.
        ApiError: the API refused.
    """
    if reason := why_not(Verb.CANCEL, batch):
        raise NotAllowed(reason)
    api = await context.connection.api()
    try:
        seen = await api.cancel(str(batch.id))
        log.info("%s cancel requested", batch.id)
    except (Unreachable, NotFound):
        raise
    except ApiError as error:
        seen = await _if_over(api, batch, error)
    check_counts(batch, seen)
    ours = batch.account in ("", context.connection.account)
    canceled = await context.disk.change(
        batch.ref,
        lambda current: observe(current, seen, confirms=ours) if current.id == seen.id else current,
    )
    if canceled is None:
        raise UsageError(f"Batch {inert_line(batch.ref)} has since been forgotten.", "batchtui list shows them all.")
    return canceled


async def _if_over(api: Api, batch: Batch, refused: ApiError) -> Remote:
    """The batch, if it is over by now; otherwise raises `refused`."""
    try:
        seen = await api.get(str(batch.id))
    except BatchtuiError:
        raise refused from None
    if seen.processing_status is not ProcessingStatus.ENDED:
        raise refused
    return seen


async def cancel_all(refs: Collection[str], submissions: Collection[str], context: Context) -> CancelOutcome:
    """Cancels these batches and all of these submissions, including what was sent since; the rest is not sent, nor is
    what is canceled here sent at once at a deadline.

    A batch that cannot be canceled does not stop the others from being canceled.
    """
    await hold_back(submissions, context)
    asked: list[Batch] = []
    failures: dict[str, BatchtuiError] = {}
    for batch in await _concerned(refs, submissions, context):
        if batch.ref not in refs and batch.state not in (State.IN_PROGRESS, State.UNCONFIRMED):
            continue
        try:
            asked.append(await cancel(batch, context))
            await context.disk.change(batch.ref, left_alone)
        except BatchtuiError as error:
            log.warning("%s not canceled: %s", batch.label, error.message)
            failures[batch.ref] = error
    now = await _concerned((), submissions, context)
    return CancelOutcome(asked, failures, [one for one in now if one.state is State.SUBMITTING])


async def _concerned(refs: Collection[str], submissions: Collection[str], context: Context) -> list[Batch]:
    """The batches as they are now, in the order they were sent. Raises UsageError if none of the `refs` is known."""
    every = (await context.disk.snapshot()).batches
    ours = [one for one in every if one.ref in refs or one.submission in submissions]
    if refs and not ours:
        raise UsageError(f"No batch is called {inert_line(', '.join(refs))}.", "batchtui list shows them all.")
    return sorted(ours, key=lambda one: (one.submitted_at, one.part))


async def hold_back(submissions: Collection[str], context: Context) -> None:
    """Sends nothing more of these submissions: waiting parts stay unsent, no step follows, and nothing is sent at once
    at a deadline. If nothing waits, answers still go to their outputs."""

    def write(tx: Transaction) -> None:
        for ref in submissions:
            current = tx.submission(ref)
            if current is None:
                continue
            held, late = withdrawn(current, [one for one in map(tx.batch, current.batches) if one])
            if current.waiting or current.steps:
                held = replace(held, stopped=current.stopped or bool(current.waiting), steps=())
            for batch in late:
                tx.put(batch)
            if held != current:
                tx.put_submission(held)

    if submissions:
        await context.disk.commit(write)
        log.info("%s held back", ", ".join(submissions))


async def forget_all(refs: Collection[str], submissions: Collection[str], context: Context) -> list[Batch]:
    """Drops these batches and all of these submissions, or nothing if one of them is running; the rest is not sent.

    Raises:
        NotAllowed: one of them may not be forgotten yet, such as a part that was sent in the meantime, or one that is
            listed by now although it was most likely never accepted.
    """
    await hold_back(submissions, context)
    ours = await _concerned(refs, submissions, context)
    for batch in ours:
        if reason := why_not(Verb.FORGET, batch):
            raise NotAllowed(f"{batch.label}: {reason}")
        await _look_first(batch, context)
    for batch in ours:
        await forget(batch, context)
    return ours


async def _look_first(batch: Batch, context: Context) -> None:
    """Looks once more for what most likely was never accepted. Raises NotAllowed if the list shows it by now.

    Without the key that it was sent with, or a list, the word of the person counts, who was told to ask the Console.
    """
    if not (never_accepted(batch) and batch.attempt):
        return
    with suppress(ApiError, NoKey):
        await context.connection.api()
        if batch.attempt.account in ("", context.connection.account):
            await look_once_more(batch, context)


async def forget(batch: Batch, context: Context) -> None:
    """Drops a batch from this state, and the parts that nobody would send any more (see `forgetting.behind`).

    Result files stay, and so does the API's copy. Raises NotAllowed if the batch is running.
    """

    def write(tx: Transaction) -> tuple[tuple[str, ...], str]:
        if reason := why_not(Verb.FORGET, tx.batch(batch.ref) or batch):
            raise NotAllowed(reason)
        submission = tx.submission(batch.submission)
        waiting: tuple[Part, ...] = ()
        if submission:
            ours = [one for one in map(tx.batch, submission.batches) if one]
            waiting = behind(submission, ours, (batch.ref,))
            submission = without(submission, ours, batch.ref)
            cost = committed([tx.batch(batch.ref) or batch], before=submission.forgotten_usd)
            tx.put_submission(replace(submission, forgotten_usd=cost))
        tx.forget(batch.ref)
        refs = (batch.ref, *(part.ref for part in waiting))
        for ref in refs:
            mine.note_ref(ref)
        gone = submission is not None and tx.submission(submission.ref) is None
        return refs, submission.ref if submission and gone else ""

    async with ticket(context.paths) as mine:
        refs, submission = await context.disk.commit(write)
        log.info("%s forgotten", batch.label)
        await asyncio.to_thread(_remove, refs, submission, context.paths)


def _remove(refs: tuple[str, ...], submission: str, paths: Paths) -> None:
    """Removes the requests of what is forgotten, and the job of a `submission`. What cannot be removed stays."""
    with suppress(OSError):
        drop(refs, paths)
        if submission:
            paths.job(submission).unlink(missing_ok=True)
