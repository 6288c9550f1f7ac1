"""Canceling a batch at the API, and forgetting one here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from msgspec.structs import replace

from batchtui.core.batch import Batch, Part, observe
from batchtui.core.errors import NotAllowed, Usage
from batchtui.core.logs import log
from batchtui.core.means import Means
from batchtui.core.paths import Paths
from batchtui.core.split import drop
from batchtui.core.store import Transaction
from batchtui.core.text import inert_line
from batchtui.core.verbs import Verb, why_not


async def cancel(batch: Batch, means: Means) -> Batch:
    """Asks the API to cancel: what has run by then is kept and billed.

    Raises:
        NotAllowed: there is nothing to cancel.
        ApiError: the API did not take it.
    """
    if reason := why_not(Verb.CANCEL, batch):
        raise NotAllowed(reason)
    seen = await (await means.connection.api()).cancel(str(batch.id))
    log.info("%s cancel asked", batch.id)
    canceled = await means.disk.change(
        batch.ref, lambda current: observe(current, seen) if current.id == seen.id else current
    )
    if canceled is None:
        raise Usage(f"The batch {inert_line(batch.ref)} was forgotten meanwhile.", "batchtui list shows them all.")
    return canceled


async def hold_back(submissions: Collection[str], means: Means) -> None:
    """Lets nothing more of these submissions be sent: parts that wait stay unsent, and no step follows."""

    def write(tx: Transaction) -> None:
        for ref in submissions:
            current = tx.submission(ref)
            if current is not None:
                tx.put_submission(replace(current, stopped=True, steps=()))

    if submissions:
        await means.disk.commit(write)
        log.info("%s held back", ", ".join(submissions))


async def forget(batch: Batch, means: Means) -> None:
    """Drops a batch from this state, and with the last of a submission the parts of it that were not sent yet.

    Result files stay, and so does the API's copy. Raises NotAllowed where the batch is at work.
    """

    def write(tx: Transaction) -> tuple[Part, ...]:
        if reason := why_not(Verb.FORGET, tx.batch(batch.ref) or batch):
            raise NotAllowed(reason)
        submission = tx.submission(batch.submission)
        waiting: tuple[Part, ...] = ()
        if submission and not any(tx.batch(ref) for ref in submission.batches if ref != batch.ref):
            waiting = submission.waiting
            tx.put_submission(replace(submission, waiting=()))
        tx.forget(batch.ref)
        return waiting

    waiting = await means.disk.commit(write)
    log.info("%s forgotten", batch.label)
    await asyncio.to_thread(_remove, batch.ref, waiting, means.paths)


def _remove(ref: str, waiting: tuple[Part, ...], paths: Paths) -> None:
    """The requests of what is forgotten. What cannot be removed stays, and is in nobody's way."""
    with suppress(OSError):
        drop([*waiting], paths)
        paths.archive(ref).unlink(missing_ok=True)
        paths.keys(ref).unlink(missing_ok=True)
