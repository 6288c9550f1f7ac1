"""What has no answer in a batch that was overdue: kept as a part that waits to be sent at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from batchtui.core.batches import deadline
from batchtui.core.batches.batch import Batch, Part, State
from batchtui.core.batches.price import STANDARD
from batchtui.core.batches.retries import with_retries
from batchtui.core.cost.estimate import price
from batchtui.core.cost.parts import with_prices
from batchtui.core.cost.past import Usual, past_of
from batchtui.core.cost.tally import measure
from batchtui.core.cost.token_count import Sampled
from batchtui.core.desk.retry import archive
from batchtui.core.desk.retry_proposal import NotYet, Proposal, in_words, other_runs, propose
from batchtui.core.desk.retry_wanted import Wanted
from batchtui.core.errors import Busy, NotAllowed
from batchtui.core.logs import log
from batchtui.core.results.failures import only
from batchtui.core.sending.context import Context
from batchtui.core.state.archive import archived_ids, drop
from batchtui.core.state.store import Transaction
from batchtui.core.state.tickets import ticket
from batchtui.core.text import inert_line, plural


async def keep_rest(batch: Batch, context: Context) -> Part | None:
    """Puts what has no answer of an overdue batch among the parts that wait; None if nothing is left of it.

    Taken are the requests that were canceled or expired, or failed by a cause that passes. That, and taking the mark
    away, is one transaction: no other process, and no retry, takes the same requests.

    Raises:
        Busy: another process did, or a retry was sent in the meantime.
        StateError: a file cannot be read or written.
    """
    snapshot = await context.disk.snapshot()
    group = with_retries(snapshot, batch)
    overdue = [one for one in group if one.overdue]
    try:
        proposal = await asyncio.to_thread(propose, snapshot, batch.ref, context.paths, Wanted(unsent=False))
    except NotYet as error:
        raise Busy(error.message, error.hint) from error
    except NotAllowed as error:  # nothing is left, or nobody can tell what is: then nothing is bought twice
        log.info("%s: %s", batch.label, error.message)
        await _commit(batch, group, overdue, None, context)
        return None
    chosen = await asyncio.to_thread(_of, proposal, overdue, context)
    if not chosen.chosen.ids:
        await _commit(batch, group, overdue, None, context)
        return None
    async with ticket(context.paths) as mine:
        rules = context.rules_with(batch.betas)
        part, _ = await asyncio.to_thread(archive, chosen, context.paths, rules, named=mine.new_ref)
        try:
            past = await asyncio.to_thread(past_of, snapshot, context.paths, batch.name)
            part = await asyncio.to_thread(_priced, part, past, context)
            await _commit(batch, group, overdue, part, context, proposal)
        except BaseException:
            await _drop_unknown(part, batch, context)
            raise
    left = plural(part.requests, "request")
    log.info("%s: %s to be sent at once as %s: %s", batch.label, left, part.ref, in_words(chosen.chosen.causes))
    return part


async def _drop_unknown(part: Part, batch: Batch, context: Context) -> None:
    """Discards what was kept if the state has no such part: a commit also goes through if its caller is canceled."""
    submission = (await context.disk.snapshot()).submissions.get(batch.submission)
    known = {*submission.batches, *(one.ref for one in submission.waiting)} if submission else set()
    if part.ref not in known:
        await asyncio.to_thread(drop, [part.ref], context.paths)


def _of(proposal: Proposal, overdue: Sequence[Batch], context: Context) -> Proposal:
    """The same, of what was late alone: what ended in time is not sent again, even if that was seen only now."""
    after = [one for one in overdue if not deadline.in_time(one)]
    late = frozenset(name for one in after for name in archived_ids(context.paths.archive(one.ref)))
    return replace(proposal, chosen=only(proposal.failed, proposal.chosen.ids & late))


def _priced(part: Part, past: Mapping[str, Usual], context: Context) -> Part:
    now = context.clock()
    estimate = price(measure(context.paths.archive(part.ref), {}), Sampled(), past, now)
    return with_prices([part], estimate, context.paths, now, STANDARD)[0]


async def _commit(
    batch: Batch,
    group: Sequence[Batch],
    overdue: Sequence[Batch],
    part: Part | None,
    context: Context,
    proposal: Proposal | None = None,
) -> None:
    def write(tx: Transaction) -> None:
        current = tx.submission(batch.submission)
        first = tx.batch(group[0].ref)
        now = with_retries(tx.snapshot, first) if first else []
        taken = any(waiting.retry_of == group[0].ref for waiting in current.waiting) if current else False
        if current is None or current.stopped or taken or _marks(now) != _marks(group):
            raise Busy("It was held back, sent again or forgotten in the meantime.")
        if proposal and not other_runs(tx.snapshot, proposal.first) <= proposal.seen:
            raise Busy(f"{inert_line(batch.name)} was submitted elsewhere in the meantime.")
        for one in overdue:
            if late := tx.batch(one.ref):
                tx.put(replace(late, overdue=False))
        waiting = (*current.waiting, part) if part else current.waiting
        tx.put_submission(replace(current, waiting=waiting, trouble=None))

    await context.disk.commit(write)


def _marks(group: Sequence[Batch]) -> list[tuple[str, bool, State]]:
    return [(one.ref, one.overdue, one.state) for one in group]
