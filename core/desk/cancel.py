"""Canceling a batch at the API, and forgetting one here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

from batchtui.core.api.protocol import Api
from batchtui.core.batches.batch import Batch, Part, State, observe
from batchtui.core.batches.remote import ProcessingStatus, Remote
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.cost.limit import spent
from batchtui.core.errors import ApiError, BatchtuiError, NotAllowed, NotFound, Unreachable, UsageError
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.sending.context import Context
from batchtui.core.state.archive import drop
from batchtui.core.state.store import Transaction
from batchtui.core.text import inert_line


class CancelOutcome(NamedTuple):
    """What canceling came to. `batches` are as they are now: canceled, or over before; `failures` are by ref. What is
    `sending` is on its way at this moment, and can be canceled only once it is accepted."""

    batches: list[Batch]
    failures: dict[str, BatchtuiError]
    sending: list[Batch]


async def cancel(batch: Batch, context: Context) -> Batch:
    """Asks the API to cancel: what has run by then is kept and billed.

    One that had ended before, unseen, comes back as the API has it now.

    Raises:
        NotAllowed: there is nothing to cancel.
        ApiError: the API did not take it.
    """
    if reason := why_not(Verb.CANCEL, batch):
        raise NotAllowed(reason)
    api = await context.connection.api()
    try:
        seen = await api.cancel(str(batch.id))
        log.info("%s cancel asked", batch.id)
    except (Unreachable, NotFound):
        raise
    except ApiError as error:
        seen = await _if_over(api, batch, error)
    canceled = await context.disk.change(
        batch.ref, lambda current: observe(current, seen) if current.id == seen.id else current
    )
    if canceled is None:
        raise UsageError(f"The batch {inert_line(batch.ref)} was forgotten meanwhile.", "batchtui list shows them all.")
    return canceled


async def _if_over(api: Api, batch: Batch, refused: ApiError) -> Remote:
    """The batch, if it is over by now; else what it was `refused` with is raised."""
    try:
        seen = await api.get(str(batch.id))
    except BatchtuiError:
        raise refused from None
    if seen.processing_status is not ProcessingStatus.ENDED:
        raise refused
    return seen


async def cancel_all(refs: Collection[str], submissions: Collection[str], context: Context) -> CancelOutcome:
    """Cancels these batches, and of these submissions all: what has gone out meanwhile, too, and the rest never goes.

    One that cannot be canceled keeps no other from it.
    """
    await hold_back(submissions, context)
    asked: list[Batch] = []
    failures: dict[str, BatchtuiError] = {}
    for batch in await _concerned(refs, submissions, context):
        if batch.ref not in refs and batch.state not in (State.IN_PROGRESS, State.UNCONFIRMED):
            continue
        try:
            asked.append(await cancel(batch, context))
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
    """Lets nothing more of these submissions be sent: parts that wait stay unsent, no step follows. What is answered
    still goes to its outputs, where nothing waits."""

    def write(tx: Transaction) -> None:
        for ref in submissions:
            current = tx.submission(ref)
            if current is not None and (current.waiting or current.steps):
                tx.put_submission(replace(current, stopped=current.stopped or bool(current.waiting), steps=()))

    if submissions:
        await context.disk.commit(write)
        log.info("%s held back", ", ".join(submissions))


async def forget_all(refs: Collection[str], submissions: Collection[str], context: Context) -> list[Batch]:
    """Drops these batches, and of these submissions all, or nothing where one of them is at work; the rest never goes.

    Raises:
        NotAllowed: one of them may not be forgotten yet, such as a part that has gone out meanwhile.
    """
    await hold_back(submissions, context)
    ours = await _concerned(refs, submissions, context)
    for batch in ours:
        if reason := why_not(Verb.FORGET, batch):
            raise NotAllowed(f"{batch.label}: {reason}")
    for batch in ours:
        await forget(batch, context)
    return ours


async def forget(batch: Batch, context: Context) -> None:
    """Drops a batch from this state, and with the last of a submission the parts of it that were not sent yet.

    Result files stay, and so does the API's copy. Raises NotAllowed where the batch is at work.
    """

    def write(tx: Transaction) -> tuple[Part, ...]:
        if reason := why_not(Verb.FORGET, tx.batch(batch.ref) or batch):
            raise NotAllowed(reason)
        submission = tx.submission(batch.submission)
        waiting: tuple[Part, ...] = ()
        if submission:
            if not any(tx.batch(ref) for ref in submission.batches if ref != batch.ref):
                waiting = submission.waiting
                submission = replace(submission, waiting=())
            cost = spent([tx.batch(batch.ref) or batch], submission.forgotten_usd)
            tx.put_submission(replace(submission, forgotten_usd=cost))
        tx.forget(batch.ref)
        return waiting

    waiting = await context.disk.commit(write)
    log.info("%s forgotten", batch.label)
    await asyncio.to_thread(_remove, batch.ref, waiting, context.paths)


def _remove(ref: str, waiting: tuple[Part, ...], paths: Paths) -> None:
    """The requests of what is forgotten. What cannot be removed stays, and is in nobody's way."""
    with suppress(OSError):
        drop([ref, *(part.ref for part in waiting)], paths)
