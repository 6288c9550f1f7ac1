"""Submits a draft: records it in the state, and sends its parts one after the other.

Each part is sent as one batch (`sending.send`). Parts that are not sent yet wait in the state, and the process that
polls sends them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Snapshot, State, Submission, Trouble
from batchtui.core.batches.deadline import at_standard
from batchtui.core.batches.output_records import due_again
from batchtui.core.batches.plan import members
from batchtui.core.batches.submissions import first_steps, with_limit
from batchtui.core.errors import BatchtuiError, Busy, NotAllowed, OutcomeUnknown, SameRows, SentBefore, Unreachable
from batchtui.core.requests.draft import Draft, discard, rows_sent_before
from batchtui.core.sending.context import Context
from batchtui.core.sending.handing_over import HandedOver, hand_over, lift, take_back
from batchtui.core.sending.send import Sender
from batchtui.core.state.store import Transaction
from batchtui.core.state.store_thread import StoreThread
from batchtui.core.text import inert_line, plural

TWICE_WITHIN = timedelta(hours=24)
"""Submitting the same rows again this soon counts as a mistake."""


def sent_before(snapshot: Snapshot, sha256: str, now: datetime, server_time: datetime | None = None) -> SameRows | None:
    """The error for rows that were sent recently and may have been accepted, are not over, or wait to be sent.

    Recently by either clock, ours or the API's: one that was set wrong lets nothing be bought twice.
    """

    def recent(batch: Batch) -> bool:
        by_api = batch.created_at is not None and server_time is not None and server_time - batch.created_at
        return now - batch.submitted_at < TWICE_WITHIN or (by_api is not False and by_api < TWICE_WITHIN)

    alike = {ref: one for ref, one in snapshot.submissions.items() if one.sha256 == sha256}
    for batch in snapshot.batches:
        taken = batch.submission in alike and batch.state is not State.REJECTED
        if taken and (recent(batch) or batch.state in UNSETTLED | UNDER_WAY):
            return _sent_already(batch, alike[batch.submission].requests)
    for one in alike.values():
        if any(part.step == 0 for part in one.waiting) and not one.stopped and not one.urgent:
            waits = "waits" if one.requests == 1 else "wait"
            return SameRows(
                f"The same {plural(one.requests, 'request')} {waits} to be sent already, as {inert_line(one.name)}.",
                f"batchtui --once sends them. To give that up: batchtui cancel {one.ref}",
                one.ref,
            )
    return None


def _sent_already(earlier: Batch, requests: int) -> SameRows:
    """The error for requests that were already sent as `earlier`."""
    one = requests == 1
    sent = f"The same {plural(requests, 'request')} {'was' if one else 'were'} submitted before"
    named = f"{inert_line(earlier.name)} ({earlier.label})"
    if earlier.state in UNSETTLED:
        return SameRows(
            f"{sent}, as {named}, and it is not known yet whether the API accepted {'it' if one else 'them'}.",
            "batchtui --once looks for them. Submitting them with --again may buy them twice.",
            earlier.label,
        )
    state = earlier.state.words
    return SameRows(
        f"{sent}, as {named}, and {'is' if one else 'are'} {state}.",
        "To buy them a second time, submit with --again.",
        earlier.label,
    )


def refuse_known(draft: Draft, snapshot: Snapshot) -> None:
    """Does nothing if no row of a job was sent before under its name.

    Raises:
        SentBefore: some were.
        Busy: that is not known, because somebody submitted or retried under that name in the meantime.
    """
    if said := rows_sent_before(draft.under_way, draft.answered):
        raise SentBefore(
            f"Sent before as {inert_line(draft.name)}: {said}.",
            "To send only what is new, set new_only = true in the job. To buy all of it again, submit with --again.",
        )
    if draft.seen is not None and not first_steps(snapshot, draft.name) <= draft.seen:
        raise Busy(
            f"{inert_line(draft.name)} was submitted elsewhere in the meantime. Nothing was sent.", "Run it again."
        )


def _half_asked(snapshot: Snapshot) -> list[Submission]:
    """The runs that `--now` began and did not finish."""
    return [one for one in snapshot.submissions.values() if one.urgent and (one.waiting or one.steps)]


async def submit(
    draft: Draft,
    context: Context,
    sender: Sender,
    *,
    again: bool,
    takes_over: Collection[Submission] = (),
    report: Report | None = None,
) -> Batch:
    """Sends the first part of a draft; from the same moment on, the others wait in the state. Submissions that it
    `takes_over`, if they are still as given, hold nothing back any more.

    Raises:
        SentBefore: the same rows were sent within a day or are not over, and `again` is false.
        NotAllowed: it was canceled before it could be sent.
        OutcomeUnknown: it may have been accepted; the state keeps it as unconfirmed.
        BatchtuiError: it was certainly not accepted, and none of it is kept.
    """
    now = context.clock()
    first, *others = draft.parts
    models = sorted({model for part in draft.parts for model in part.models})
    submission = Submission(
        ref=draft.ref,
        name=draft.name,
        created_at=now,
        requests=sum(part.requests for part in draft.parts),
        input=draft.input,
        sha256=draft.sha256,
        bytes=draft.bytes,
        models=tuple(models),
        batches=(first.ref,),
        waiting=tuple(others),
        canary=draft.canary,
        outputs=draft.outputs,
        steps=draft.steps,
        step_names=draft.step_names,
        max_cost=draft.max_cost,
        betas=draft.betas,
        deadline=draft.deadline,
    )

    canceled = False
    handed: list[HandedOver] = []

    def begin(tx: Transaction, batch: Batch) -> None:
        if canceled:
            raise NotAllowed(f"{inert_line(draft.name)} was canceled while it was being sent. Nothing was bought.")
        if _is_late(submission, batch):
            raise NotAllowed(
                f"The deadline of {inert_line(draft.name)} passed before it could be sent. Nothing was sent.",
                "Submit it with a later deadline, or without a batch: --now.",
            )
        server_time = batch.attempt.started_at if batch.attempt else None
        earlier = sent_before(tx.snapshot, draft.sha256, now, server_time)
        if earlier and not again:
            raise earlier
        if any(half.sha256 == draft.sha256 for half in _half_asked(tx.snapshot)) and not again:
            raise SameRows(
                "Some of the same requests were already answered without a batch, with --now.",
                "Go on with --now, or buy all of them in a batch with --again.",
            )
        if not again:
            refuse_known(draft, tx.snapshot)
        _look_again_at_held(tx, draft.name)
        handed[:] = hand_over(tx, takes_over)
        tx.put_submission(submission)
        tx.put(batch)

    def undo(tx: Transaction) -> None:
        nonlocal canceled
        if current := tx.submission(submission.ref):
            canceled = current.stopped or current.steps != submission.steps
            tx.put_submission(replace(submission, waiting=()))
        tx.forget(first.ref)
        take_back(tx, handed)

    try:
        return await sender.send(first, begin, undo, submission, report)
    except BaseException as error:
        if isinstance(error, Unreachable):
            error.with_next("Nothing was sent and nothing was bought. Submit it again later.")
        await _drop_unknown(draft, context)
        raise


def _is_late(submission: Submission, batch: Batch) -> bool:
    """Whether the deadline is over, so that nothing may go as a batch any more."""
    return submission.urgent or (submission.deadline is not None and submission.deadline <= batch.submitted_at)


def _look_again_at_held(tx: Transaction, name: str) -> None:
    """Earlier runs of a job that stopped before a step, for rows without an answer: this one may send those rows."""
    for earlier in tx.snapshot.submissions.values():
        if earlier.name == name and earlier.held_at:
            tx.put_submission(replace(earlier, held_at=None, trouble=None))


async def send_next(submission: Submission, context: Context, sender: Sender, report: Report | None = None) -> Batch:
    """Sends the first waiting part.

    Raises:
        Busy: another process sent it in the meantime.
        BatchtuiError: as `submit`; the part keeps waiting, unless the API refused it: then the whole submission stops.
    """
    part = submission.waiting[0]

    def begin(tx: Transaction, batch: Batch) -> None:
        current = tx.submission(submission.ref)
        if current is None or current.stopped or current.waiting[:1] != (part,):
            raise Busy(f"Part {part.number} of {inert_line(submission.name)} was sent or held back in the meantime.")
        if _is_late(current, batch):
            raise Busy(
                f"The deadline of {inert_line(submission.name)} is over: no part of it goes as a batch any more."
            )
        batches = (*current.batches, part.ref)
        tx.put_submission(replace(current, waiting=current.waiting[1:], batches=batches, trouble=None))
        tx.put(batch)

    def undo(tx: Transaction) -> None:
        current = tx.submission(submission.ref)
        if current:
            back = at_standard(part) if current.urgent else part  # its deadline may have passed in the meantime
            tx.put_submission(replace(current, waiting=(back, *current.waiting)))
        tx.forget(part.ref)

    try:
        return await sender.send(part, begin, undo, submission, report)
    except (Busy, OutcomeUnknown):
        raise
    except BatchtuiError as error:
        if isinstance(error, Unreachable):
            error.with_next("It was not bought. It waits until a later look sends it.")
        with suppress(BatchtuiError):  # the user must see the first error
            await note(submission.ref, Trouble.of(error, context.clock()), context.disk)
        raise


async def note(ref: str, trouble: Trouble | None, disk: StoreThread, *, stopped: bool = False) -> None:
    """Records why a submission does not go on."""

    def write(tx: Transaction) -> None:
        current = tx.submission(ref)
        if current:
            tx.put_submission(replace(current, trouble=trouble, stopped=stopped or current.stopped))
            last = tx.batch(current.batches[-1]) if current.batches and stopped else None
            if last:  # where the user looks
                tx.put(replace(last, trouble=trouble))

    await disk.commit(write)


def start_anew(tx: Transaction, submissions: Collection[str], max_cost: float | None = None) -> None:
    """Lets submissions go on that stopped once all their answers were here: at an output or before a step. Answers
    that met no row of the user's table are applied again.

    `max_cost` is their new limit, if given. Raises OverLimit as `with_limit`.
    """
    for ref in submissions:
        current = tx.submission(ref)
        if current and max_cost is not None:
            current = with_limit(current, members(tx.snapshot, current), max_cost)
            tx.put_submission(current)
        if current and (outputs := due_again(current.outputs)) != current.outputs:
            current = replace(current, outputs=outputs)
            tx.put_submission(current)
        for batch in filter(None, map(tx.batch, current.batches if current else ())):
            if (outputs := due_again(batch.outputs)) != batch.outputs:
                tx.put(replace(batch, outputs=outputs))
        if current and current.stopped and not current.waiting:
            lift(tx, current)
            tx.put_submission(replace(current, stopped=False, trouble=None))


async def _drop_unknown(made: Draft, context: Context) -> None:
    """Discards what was kept if the state has no such submission. If that fails, it stays."""
    with suppress(BatchtuiError, OSError):
        if made.ref not in (await context.disk.snapshot()).submissions:
            await asyncio.to_thread(discard, made, context.paths)
