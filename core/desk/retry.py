"""Sending what did not succeed as a new batch that is linked to the first one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Batch, Part
from batchtui.core.batches.deadline import goes_at_once
from batchtui.core.batches.plan import members
from batchtui.core.batches.retries import after_all, first_of, with_retries
from batchtui.core.batches.spending import committed, too_dear
from batchtui.core.batches.submissions import over_limit
from batchtui.core.cost.estimate import Estimate
from batchtui.core.cost.limit import hold_more, most_usd
from batchtui.core.cost.past import past_of
from batchtui.core.cost.preflight import preflight
from batchtui.core.desk.retry_price import past_for, with_prices
from batchtui.core.desk.retry_proposal import Proposal, in_words, other_runs
from batchtui.core.desk.retry_rows import copy_chosen
from batchtui.core.desk.retry_several import hold_all, propose_all
from batchtui.core.desk.retry_unsent import send_unsent
from batchtui.core.desk.retry_wanted import Wanted
from batchtui.core.errors import Busy, NotAllowed
from batchtui.core.files import private_folder, replacing
from batchtui.core.jobs.late_answers import late_outputs
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.requests.check import Checked, check
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.results.failures import kinds_of
from batchtui.core.sending.context import Context
from batchtui.core.sending.send import Sender
from batchtui.core.sending.waiting import WaitingParts
from batchtui.core.settings import Rules
from batchtui.core.state.archive import archived_ids, copy_rows, drop, keys_of, new_ref
from batchtui.core.state.store import Transaction
from batchtui.core.state.store_thread import StoreThread
from batchtui.core.state.tickets import ticket
from batchtui.core.text import inert_line


def archive(
    proposal: Proposal,
    paths: Paths,
    rules: Rules,
    edited: Path | None = None,
    *,
    named: Callable[[], str] = new_ref,
) -> tuple[Part, Checked]:
    """Keeps the rows to be sent again, and their keys, under a new ref, which `named` gives. Call it in a thread.

    The rows come from the file `edited` if it is given; otherwise they are as they were last sent.

    Raises:
        NotSubmittable: a row cannot be sent as it is.
        NotAllowed: the archive does not hold all of them.
        StateError: a file cannot be read.
    """
    private_folder(paths.requests)
    first, ids = proposal.first, proposal.chosen.ids
    ref = named()
    rows = paths.archive(ref)
    with replacing(rows, overwrite=False) as sink:
        if edited:
            _good(check(edited, sink, rules=rules))
        else:
            copy_chosen(proposal, paths, sink)
    try:
        checked = _good(_named(check(rows, rules=rules), proposal))
        if keys := keys_of(paths, first.ref, first.submission, of_job=bool(first.step_name)):
            with replacing(paths.keys(ref), overwrite=False) as sink:
                copy_rows(keys, ids, sink)
    except BaseException:
        drop([ref], paths)
        raise
    part = Part(
        ref=ref,
        requests=checked.requests,
        bytes=checked.bytes,
        digest=checked.digest,
        models=checked.models,
        number=first.part,
        step=first.step,
        retry_of=first.ref,
        retried={kind.value: count for kind, count in kinds_of(proposal.chosen.causes).items()},
    )
    return part, checked


def _named(checked: Checked, proposal: Proposal) -> Checked:
    """The problems of archived rows, each with the id of its request: nobody but us has seen that file."""
    if checked.ok:
        return checked
    ids = archived_ids(checked.path)
    problems = tuple(
        replace(one, where=f"request {ids[one.line - 1]}") if one.line and one.line <= len(ids) else one
        for one in checked.problems
    )
    return replace(checked, problems=problems, path=Path(proposal.first.label))


def _good(checked: Checked) -> Checked:
    if not checked.ok:
        raise NotSubmittable(checked)
    return checked


async def priced(
    proposal: Proposal, part: Part, estimate: Estimate | None, disk: StoreThread, limit: float | None
) -> Part:
    """The archived retry with its likely cost, and the most that it can cost.

    Raises:
        OverLimit: with what was sent before, it could cost more than `limit` or, without one, than the submission may.
    """
    snapshot, first = await disk.snapshot(), proposal.first
    submission = snapshot.submissions.get(first.submission)
    if submission is None:
        return part
    so_far = committed(members(snapshot, submission), submission.waiting, submission.forgotten_usd)
    most = submission.max_cost if limit is None else limit
    how = f"batchtui retry {first.label}{proposal.wanted.flags} --max-cost USD"
    hold_more("The retry", estimate, so_far, most, how)
    return replace(part, estimated_usd=estimate.batch_usd if estimate else None, max_usd=most_usd(estimate))


async def send(
    proposal: Proposal,
    part: Part,
    context: Context,
    sender: Sender,
    max_cost: float | None = None,
    report: Report | None = None,
) -> Batch:
    """Sends an archived retry as one batch of the first batch's submission. `max_cost` becomes the submission's limit.

    Raises:
        Busy: another process retries the same, or did so in the meantime.
        OverLimit: with what was sent in the meantime, it could cost more than the limit.
        OutcomeUnknown: it may have been accepted; the state keeps it as unconfirmed.
        BatchtuiError: it was certainly not accepted, and none of it is kept.
    """
    first = proposal.first

    def begin(tx: Transaction, batch: Batch) -> None:
        current = tx.batch(first.ref)
        submission = tx.submission(current.submission) if current else None
        if current is None or submission is None:
            raise _forgotten()
        if tuple(one.ref for one in with_retries(tx.snapshot, first_of(tx.snapshot, current))) != proposal.batches:
            raise Busy("Another process retried these requests in the meantime.", f"batchtui show {first.label}")
        if why := goes_at_once(tx.snapshot, current):
            raise Busy(why, f"batchtui show {first.label}")
        group = with_retries(tx.snapshot, current)
        for one in group:  # of a submission that is stopped: this takes its place
            if one.overdue:
                tx.put(replace(one, overdue=False))
        if not other_runs(tx.snapshot, first) <= proposal.seen:
            raise Busy(f"{inert_line(first.name)} was submitted elsewhere in the meantime.", "Run it again.")
        limit = submission.max_cost if max_cost is None else max_cost
        with_it = replace(submission, waiting=(*submission.waiting, part), max_cost=limit)
        if (most := too_dear(with_it, members(tx.snapshot, submission))) is not None:
            raise over_limit(with_it, most, f"batchtui retry {first.label}")
        batch = replace(batch, submitted_at=after_all(group, batch.submitted_at))
        tx.put_submission(replace(submission, batches=(*submission.batches, part.ref), max_cost=limit))
        tx.put(replace(batch, outputs=late) if submission.step > first.step else batch)

    try:
        late = await asyncio.to_thread(
            late_outputs, context.paths, first.submission, first.name, first.step, of_job=bool(first.step_name)
        )
        whole = (await context.disk.snapshot()).submissions.get(first.submission)
        if whole is None:
            raise _forgotten()
        batch = await sender.send(part, begin, lambda tx: tx.forget(part.ref), whole, report)
    except BaseException:
        known = {one.ref for one in (await context.disk.snapshot()).batches}
        if part.ref not in known:
            await asyncio.to_thread(drop, [part.ref], context.paths)
        raise
    log.info("%s retried as %s: %s", first.label, batch.label, in_words(proposal.chosen.causes))
    return batch


def _forgotten() -> NotAllowed:
    return NotAllowed("The batch was forgotten in the meantime.", "batchtui list shows them all.")


async def retry(
    refs: Sequence[str],
    context: Context,
    sender: Sender,
    parts: WaitingParts,
    *,
    wanted: Wanted | None = None,
    agreed: Callable[[Sequence[Proposal]], bool] = lambda _: True,
    max_cost: float | None = None,
    report: Report | None = None,
    sent: list[Batch] | None = None,
) -> list[Batch]:
    """Sends again what is `wanted` of what failed in batches, if `agreed` accepts it; otherwise sends nothing.

    By default that is what may succeed as it is. `max_cost` in US dollars becomes the limit of their submission, in
    place of the one it has. A batch with nothing left to retry is skipped if another one has something.

    Raises:
        NotAllowed: there is nothing to retry, or not yet.
        NotSubmittable: a row cannot be sent as it is.
        OverLimit: it could cost more than the limit.
        BatchtuiError: as `send`; what was sent before stays sent, and is in `sent`.
    """
    proposals = await with_prices(await propose_all(refs, context, wanted or Wanted()), context)
    if not agreed(proposals):
        return []
    hold_all(proposals, await context.disk.snapshot(), max_cost)
    sent = [] if sent is None else sent
    for proposal in proposals:
        if proposal.unsent:
            sent += await send_unsent(proposal, context, parts, max_cost, report)
        else:
            sent.append(await _again(proposal, context, sender, max_cost, report))
    return sent


async def _again(
    proposal: Proposal, context: Context, sender: Sender, max_cost: float | None, report: Report | None
) -> Batch:
    disk, paths = context.disk, context.paths
    betas, asked = proposal.first.betas, context.connection if proposal.wanted.changes else None
    async with ticket(paths) as mine:
        rules = context.rules_with(betas)
        part, checked = await asyncio.to_thread(archive, proposal, paths, rules, named=mine.new_ref)
        try:
            before = await asyncio.to_thread(past_of, await disk.snapshot(), paths, proposal.first.name)
            past = past_for(kinds_of(proposal.chosen.causes), before)
            looked = await preflight(paths.archive(part.ref), checked, asked, past, context.clock(), betas)
            _good(await asyncio.to_thread(_named, looked.checked, proposal))
            part = await priced(proposal, part, looked.estimate, disk, max_cost)
        except BaseException:
            await asyncio.to_thread(drop, [part.ref], paths)
            raise
        return await send(proposal, part, context, sender, max_cost, report)
