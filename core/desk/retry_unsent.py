"""Sends the parts of a submission that the API refused, and those behind them, once the cause is gone; or one that a
person found was never accepted."""

from __future__ import annotations

from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Batch, Part, State
from batchtui.core.batches.deadline import at_standard
from batchtui.core.batches.limits import body_size
from batchtui.core.batches.plan import stopped_by_canary
from batchtui.core.batches.spending import too_dear
from batchtui.core.batches.submissions import over_limit, with_limit
from batchtui.core.desk.retry_proposal import Proposal, never_sent, other_runs, with_it
from batchtui.core.errors import Busy, StateError
from batchtui.core.logs import log
from batchtui.core.sending.context import Context
from batchtui.core.sending.handing_over import lift
from batchtui.core.sending.look_again import look_once_more
from batchtui.core.sending.waiting import WaitingParts
from batchtui.core.state.archive import archived_ids, digest
from batchtui.core.state.store import Transaction
from batchtui.core.text import inert_line


async def send_unsent(
    proposal: Proposal,
    context: Context,
    parts: WaitingParts,
    max_cost: float | None = None,
    report: Report | None = None,
) -> list[Batch]:
    """Puts what was refused back among the parts that wait, and sends them in order. The batches that were accepted,
    also those that the process that polls sent first.

    `max_cost` in US dollars becomes the limit of their submission, in place of the one it has.

    Raises:
        NotAllowed: it may have been accepted after all, as a list that is read once more shows.
        OverLimit: with what was sent before, they could cost more than the limit.
        Busy: another process did so in the meantime, or is about to.
        StateError: the archived requests are not there.
        BatchtuiError: as `sending.submit.send_next`; what was accepted before stays accepted.
    """
    submission = proposal.first.submission
    if proposal.first.state is State.UNCONFIRMED:
        await look_once_more(proposal.first, context)

    def write(tx: Transaction) -> frozenset[str]:
        current = tx.submission(submission)
        known = [batch for ref in current.batches if (batch := tx.batch(ref))] if current else []
        first = next((one for one in known if one.ref == proposal.first.ref), None)
        rest = current is not None and stopped_by_canary(current) and first is not None and first.step == current.step
        if current is None or first is None or not (rest or never_sent(first)):
            raise Busy("Another process sent it in the meantime.", f"batchtui show {proposal.first.label}")
        if not other_runs(tx.snapshot, proposal.first) <= proposal.seen:
            raise Busy(f"{inert_line(proposal.first.name)} was submitted elsewhere in the meantime.", "Run it again.")
        refused = with_it(first, known) if never_sent(first) else []
        again = tuple(_as_part(one, context) for one in refused)
        if current.urgent:  # its deadline is over: it is sent at once
            again = tuple(map(at_standard, again))
        waiting = (*again, *current.waiting)
        sent = [one for one in known if one not in refused]
        ready = with_limit(replace(current, waiting=waiting, stopped=False, trouble=None), sent, max_cost)
        if (most := too_dear(ready, sent)) is not None:
            raise over_limit(ready, most, f"batchtui retry {proposal.first.label}")
        lift(tx, current)
        tx.put_submission(ready)
        for one in refused:
            tx.forget(one.ref)
        return frozenset(part.ref for part in waiting)

    refs = await context.disk.commit(write)
    log.info("%s: sending what was refused", submission)
    _, failed = await parts.send(submission, report)
    if failed:
        raise failed[0].error
    sent = [one for one in (await context.disk.snapshot()).batches[::-1] if one.ref in refs and one.id]
    if not sent:
        raise Busy("Another process is sending it right now.", f"batchtui show {proposal.first.label}")
    return sent


def _as_part(batch: Batch, context: Context) -> Part:
    """A refused batch as a part that waits. Raises StateError if its requests are gone, or are not what was checked."""
    archive = context.paths.archive(batch.ref)
    ids = archived_ids(archive)
    size = batch.attempt.bytes if batch.attempt else body_size(archive.stat().st_size)
    if len(ids) != batch.requests or digest(ids) != batch.digest:
        raise StateError(
            f"The requests in {archive} are not the ones that were checked.",
            f"Put the file back from a copy, or run batchtui forget {batch.ref} and submit them again.",
        )
    return Part(
        ref=batch.ref,
        requests=batch.requests,
        bytes=size,
        digest=batch.digest,
        models=batch.models,
        number=batch.part,
        step=batch.step,
        estimated_usd=batch.cost.estimated_usd,
        max_usd=batch.cost.max_usd,
    )
