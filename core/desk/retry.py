"""Sending what did not succeed as a new batch that is linked to the first one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Batch, Part, Snapshot, State
from batchtui.core.batches.plan import members
from batchtui.core.batches.retries import first_of, not_over, with_retries
from batchtui.core.cost.estimate import Estimate
from batchtui.core.cost.limit import hold_more, spent
from batchtui.core.cost.past import past_of
from batchtui.core.cost.preflight import preflight
from batchtui.core.errors import Busy, NotAllowed
from batchtui.core.files import private_folder, replacing
from batchtui.core.jobs.late_answers import late_outputs
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.requests.check import Checked, check
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.requests.split import drop, new_ref
from batchtui.core.results.failures import RetryChoice, choose, failures
from batchtui.core.results.retrieve import where
from batchtui.core.sending.context import Context
from batchtui.core.settings import Rules
from batchtui.core.state.archive import copy_rows
from batchtui.core.state.store import Transaction
from batchtui.core.state.store_thread import StoreThread
from batchtui.core.text import inert_line, plural


class NothingLeft(NotAllowed):
    """Nothing of a batch is to be asked again."""


class Proposal(Struct, frozen=True):
    """What a retry would send: `chosen` of the requests of `first`, after the results of `batches`.

    `failed` are the causes of all that failed, by custom_id; `asked` those of its retries that the API took: a row may
    have been edited for one of them.
    """

    first: Batch
    batches: tuple[str, ...]
    asked: tuple[str, ...]
    failed: dict[str, str]
    chosen: RetryChoice


def propose(snapshot: Snapshot, ref: str, paths: Paths, *, include_permanent: bool) -> Proposal:
    """Looks at all results of a batch, those of its retries included. Runs in a thread.

    Raises:
        NotAllowed: its results are not here yet, its requests are not, or nothing is left to ask again.
        StateError: a file cannot be read.
    """
    batch = next((one for one in snapshot.batches if one.ref == ref), None)
    if batch is None:
        raise NotAllowed(f"The batch {inert_line(ref)} was forgotten meanwhile.", "batchtui list shows them all.")
    batches = with_retries(snapshot, batch)
    first = batches[0]
    running = not_over(batches)
    if running:
        state = running.state.words
        what = "It" if running is first else f"Its retry {running.label}"
        raise NotAllowed(f"{what} is {state}: what failed is not known yet.", f"batchtui retrieve {running.label}")
    if first.state is not State.RETRIEVED:
        raise NotAllowed("It has no results that say what failed.", f"batchtui show {first.label}")
    if not paths.archive(first.ref).exists():
        raise NotAllowed("Its requests are not on this machine: it was sent by somebody else.", "")
    retrieved = [where(paths, one) for one in batches if one.state is State.RETRIEVED]
    failed = failures(retrieved)
    chosen = choose(failed, include_permanent=include_permanent)
    if not chosen.ids:
        if chosen.left:
            raise NothingLeft(
                f"What failed would fail again: {in_words(chosen.left)}.",
                f"Edit them: batchtui retry {first.label} --rows FILE. Or send them as they are: --include-permanent",
            )
        raise NothingLeft("Every request of it has its answer.", "There is nothing to ask again.")
    asked = tuple(one.ref for one in batches[1:] if one.state is not State.REJECTED)
    return Proposal(first, tuple(one.ref for one in batches), asked, failed, chosen)


def in_words(causes: dict[str, int]) -> str:
    """`100 expired, 30 overloaded_error`. Causes come from the API; they are made inert."""
    return ", ".join(f"{count:,} {inert_line(cause, 60)}" for cause, count in causes.items())


def copy_chosen(proposal: Proposal, paths: Paths, sink: BinaryIO) -> None:
    """The rows to be asked again, each as it was last sent. Runs in a thread.

    Raises:
        NotAllowed: the archive does not hold them all.
        StateError: a file cannot be read.
    """
    later = [paths.archive(ref) for ref in proposal.asked if paths.archive(ref).exists()]
    ids = proposal.chosen.ids
    copied = copy_rows(paths.archive(proposal.first.ref), ids, sink, later)
    if copied != len(ids):
        raise NotAllowed(f"Only {copied:,} of {plural(len(ids), 'request')} are in the archive.", "")


def archive(proposal: Proposal, paths: Paths, rules: Rules, edited: Path | None = None) -> tuple[Part, Checked]:
    """Keeps the rows to be sent again, and their keys, under a new ref. Runs in a thread.

    The rows are those of the file `edited` where it is given, else as they were last sent.

    Raises:
        NotSubmittable: a row of them cannot be sent as it is.
        NotAllowed: the archive does not hold them all.
        StateError: a file cannot be read.
    """
    private_folder(paths.requests)
    first, ids = proposal.first, proposal.chosen.ids
    ref = new_ref()
    rows = paths.archive(ref)
    with replacing(rows, overwrite=False) as sink:
        if edited:
            _good(check(edited, sink, rules=rules))
        else:
            copy_chosen(proposal, paths, sink)
    try:
        checked = _good(check(rows, rules=rules))
        if paths.keys(first.ref).exists():
            with replacing(paths.keys(ref), overwrite=False) as sink:
                copy_rows(paths.keys(first.ref), ids, sink)
    except BaseException:
        _drop(rows, paths.keys(ref))
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
    )
    return part, checked


def _good(checked: Checked) -> Checked:
    if not checked.ok:
        raise NotSubmittable(checked)
    return checked


def _drop(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


async def priced(
    proposal: Proposal, part: Part, estimate: Estimate | None, disk: StoreThread, limit: float | None
) -> Part:
    """The archived retry with what it is likely to cost.

    Raises:
        OverLimit: with what was spent before it could cost more than `limit`, or else than the submission may.
    """
    snapshot, first = await disk.snapshot(), proposal.first
    submission = snapshot.submissions.get(first.submission)
    if estimate is None or submission is None:
        return part
    so_far = spent(members(snapshot, submission), submission.forgotten_usd)
    most = submission.max_cost if limit is None else limit
    hold_more("The retry", estimate, so_far, most, f"batchtui retry {first.label} --max-cost USD")
    return replace(part, estimated_usd=estimate.batch_usd)


async def send(
    proposal: Proposal, part: Part, means: Context, max_cost: float | None = None, report: Report | None = None
) -> Batch:
    """Sends an archived retry as one batch of the first one's submission. `max_cost` becomes the limit of that.

    Raises:
        Busy: another process retries the same, or did so meanwhile.
        OutcomeUnknown: it may have been accepted; the state keeps it as unconfirmed.
        BatchtuiError: it was certainly not accepted, and nothing of it is kept.
    """
    first = proposal.first

    def begin(tx: Transaction, batch: Batch) -> None:
        current = tx.batch(first.ref)
        submission = tx.submission(current.submission) if current else None
        if current is None or submission is None:
            raise NotAllowed("The batch was forgotten meanwhile.", "batchtui list shows them all.")
        if tuple(one.ref for one in with_retries(tx.snapshot, first_of(tx.snapshot, current))) != proposal.batches:
            raise Busy("Another process asked these requests again meanwhile.", f"batchtui show {first.label}")
        limit = submission.max_cost if max_cost is None else max_cost
        tx.put_submission(replace(submission, batches=(*submission.batches, part.ref), max_cost=limit))
        tx.put(replace(batch, outputs=late) if submission.step > first.step else batch)

    try:
        late = await asyncio.to_thread(late_outputs, means.paths, first)
        batch = await means.sender.send(
            part, begin, lambda tx: tx.forget(part.ref), name=first.name, submission=first.submission, report=report
        )
    except BaseException:
        known = {one.ref for one in (await means.disk.snapshot()).batches}
        if part.ref not in known:
            await asyncio.to_thread(drop, [part], means.paths)
        raise
    log.info("%s retried as %s: %s", first.label, batch.label, in_words(proposal.chosen.causes))
    return batch


def described(proposals: Sequence[Proposal]) -> str:
    """What would be sent, and what would not, in a sentence or two."""
    causes: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for proposal in proposals:
        causes.update(proposal.chosen.causes)
        left.update(proposal.chosen.left)
    said = f"{plural(causes.total(), 'request')} can succeed when asked again ({in_words(causes)})."
    return f"{said} Left out, as they would fail again: {in_words(left)}." if left else said


def likely_usd(proposals: Sequence[Proposal]) -> float | None:
    """What they are likely to cost together, by what the first ones were estimated at; None where that is not known."""
    shares = [
        one.first.cost.estimated_usd * len(one.chosen.ids) / one.first.requests
        for one in proposals
        if one.first.cost.estimated_usd is not None and one.first.requests
    ]
    return sum(shares) if shares and len(shares) == len(proposals) else None


async def retry(
    refs: Sequence[str],
    means: Context,
    *,
    include_permanent: bool,
    agreed: Callable[[Sequence[Proposal]], bool] = lambda _: True,
    max_cost: float | None = None,
    report: Report | None = None,
) -> list[Batch]:
    """Asks what failed of batches once more, if `agreed` says so of what would be sent; else nothing is sent.

    `max_cost` in US dollars becomes the limit of their submission, in place of the one it has. A batch of which nothing
    is left to ask is passed over where another one has something.

    Raises:
        NotAllowed: there is nothing to ask again, or not yet.
        NotSubmittable: a row of them cannot be sent as it is.
        OverLimit: it could cost more than the limit.
        BatchtuiError: as `send`; what was sent before stays sent.
    """
    proposals = await propose_all(refs, means, include_permanent=include_permanent)
    if not agreed(proposals):
        return []
    return [await _again(proposal, means, max_cost, report) for proposal in proposals]


async def propose_all(refs: Sequence[str], means: Context, *, include_permanent: bool = False) -> list[Proposal]:
    """What retries of several batches would send. Raises as `propose`, where none of them has anything to ask again."""
    snapshot = await means.disk.snapshot()
    found: dict[str, Proposal] = {}
    nothing: NothingLeft | None = None
    for ref in refs:
        try:
            one = await asyncio.to_thread(propose, snapshot, ref, means.paths, include_permanent=include_permanent)
            found[one.first.ref] = one
        except NothingLeft as error:
            nothing = nothing or error
    if nothing and not found:
        raise nothing
    return list(found.values())


async def _again(proposal: Proposal, means: Context, max_cost: float | None, report: Report | None) -> Batch:
    disk, paths = means.disk, means.paths
    part, checked = await asyncio.to_thread(archive, proposal, paths, means.settings.rules)
    try:
        past = await asyncio.to_thread(past_of, await disk.snapshot(), paths, proposal.first.name)
        looked = await preflight(paths.archive(part.ref), checked, None, past, means.clock())
        part = await priced(proposal, part, looked.estimate, disk, max_cost)
    except BaseException:
        await asyncio.to_thread(drop, [part], paths)
        raise
    return await send(proposal, part, means, max_cost, report)
