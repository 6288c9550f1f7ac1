"""What a retry would send and what it would leave out, shown before anything is sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from msgspec import Struct

from batchtui.core.batches.batch import Batch, Snapshot, State
from batchtui.core.batches.plan import members
from batchtui.core.batches.retries import not_over, with_retries
from batchtui.core.batches.submissions import first_steps
from batchtui.core.errors import NotAllowed
from batchtui.core.files import is_there
from batchtui.core.jobs.known_keys import sent_since
from batchtui.core.paths import Paths
from batchtui.core.results.failures import RetryChoice, choose, failures
from batchtui.core.results.retrieve import where
from batchtui.core.sending.context import Context
from batchtui.core.sending.look import never_accepted
from batchtui.core.state.archive import copy_rows
from batchtui.core.text import inert_line, likely_and_most, plural


class NothingLeft(NotAllowed):
    """A batch has nothing left to retry."""


class NotYet(NotAllowed):
    """What failed of a batch is not known yet."""


class Proposal(Struct, frozen=True):
    """What a retry would send: the `chosen` requests of `first`, given the results of `batches`.

    `failed` maps the custom_id of each failed request to its cause. `asked` are the retries that the API accepted: a
    row may have been edited for one of them. `unsent` counts requests that the API never took because it
    refused `first`: they and the parts behind it are sent as they are. `seen` are the other runs that were looked at.
    """

    first: Batch
    batches: tuple[str, ...]
    asked: tuple[str, ...]
    failed: dict[str, str]
    chosen: RetryChoice
    unsent: int = 0
    seen: frozenset[str] = frozenset()

    @property
    def requests(self) -> int:
        """How many requests it would send."""
        return self.unsent or len(self.chosen.ids)


def propose(snapshot: Snapshot, ref: str, paths: Paths, *, include_permanent: bool) -> Proposal:
    """Looks at all results of a batch, including those of its retries. Call it in a thread.

    Raises:
        NotAllowed: its results are not here yet, its requests are not here, or nothing is left to retry.
        StateError: a file cannot be read.
    """
    batch = next((one for one in snapshot.batches if one.ref == ref), None)
    if batch is None:
        raise NotAllowed(f"The batch {inert_line(ref)} was forgotten in the meantime.", "batchtui list shows them all.")
    if never_sent(batch):
        return _never_sent(snapshot, batch, paths)
    batches = with_retries(snapshot, batch)
    first = batches[0]
    running = not_over(batches)
    if running:
        state = running.state.words
        what = "It" if running is first else f"Its retry {running.label}"
        raise NotYet(f"{what} is {state}: what failed is not known yet.", f"batchtui retrieve {running.label}")
    if first.state is not State.RETRIEVED:
        raise NotAllowed("It has no results that show what failed.", f"batchtui show {first.label}")
    if not is_there(paths.archive(first.ref)):
        raise NotAllowed(
            "Its requests are not on this machine: somebody else sent it.", "Retry it where it was sent from."
        )
    retrieved = [where(paths, one) for one in batches if one.state is State.RETRIEVED]
    failed = failures(retrieved)
    since = sent_since(snapshot, paths, first) if failed else frozenset()
    failed = {custom_id: cause for custom_id, cause in failed.items() if custom_id not in since}
    if since and not failed:
        raise NothingLeft(
            f"What failed was sent again since, by a later run of {inert_line(first.name)}.",
            "There is nothing to retry.",
        )
    chosen = choose(failed, include_permanent=include_permanent)
    if not chosen.ids:
        if chosen.left:
            raise NothingLeft(
                f"The failed requests would fail again: {in_words(chosen.left)}.",
                f"Edit them: batchtui retry {first.label} --rows FILE. Or send them as they are: --include-permanent",
            )
        raise NothingLeft("Every request has its answer.", "There is nothing to retry.")
    asked = tuple(one.ref for one in batches[1:] if one.state is not State.REJECTED)
    return Proposal(first, tuple(one.ref for one in batches), asked, failed, chosen, seen=other_runs(snapshot, first))


def never_sent(batch: Batch) -> bool:
    """Whether the API has none of it: it refused it, or most likely never accepted it."""
    return not batch.retry_of and (batch.state is State.REJECTED or never_accepted(batch))


def with_it(batch: Batch, members: Iterable[Batch]) -> list[Batch]:
    """What is sent together with a batch that was never sent: all that was refused; what got lost goes alone."""
    if batch.state is not State.REJECTED:
        return [batch]
    return [one for one in members if one.state is State.REJECTED and not one.retry_of]


def other_runs(snapshot: Snapshot, first: Batch) -> frozenset[str]:
    """The batches and parts of other runs of the job that could send the same rows."""
    return frozenset() if first.step else first_steps(snapshot, first.name, besides=first.submission)


def _never_sent(snapshot: Snapshot, batch: Batch, paths: Paths) -> Proposal:
    """What the API refused of a submission, with the parts behind it: all of that goes together, by the first of it. Or
    one batch that it most likely never accepted."""
    submission = snapshot.submissions.get(batch.submission)
    whole = members(snapshot, submission) if submission else [batch]
    refused = with_it(batch, whole)
    for one in refused:
        if since := sent_since(snapshot, paths, one):
            were = f"{plural(len(since), 'request')} of {one.ref} {'was' if len(since) == 1 else 'were'}"
            raise NothingLeft(
                f"{were} sent again since, by a later run of {inert_line(one.name)}.",
                f"batchtui forget {one.ref}. The next run of the job sends what is left of it.",
            )
    waiting = submission.waiting if submission and batch.state is State.REJECTED else ()
    if submission and submission.stopped and submission.waiting and not waiting:
        raise NotAllowed(f"{inert_line(batch.name)} was canceled.", f"batchtui forget {batch.ref}")
    unsent = sum(one.requests for one in refused) + sum(part.requests for part in waiting)
    choice = RetryChoice(frozenset(), {"not sent": unsent}, {})
    return Proposal(refused[0], (refused[0].ref,), (), {}, choice, unsent, other_runs(snapshot, refused[0]))


def in_words(causes: dict[str, int]) -> str:
    """`100 expired, 30 overloaded_error`. Causes come from the API, so they are made inert."""
    return ", ".join(f"{count:,} {inert_line(cause, 60)}" for cause, count in causes.items())


def copy_chosen(proposal: Proposal, paths: Paths, sink: BinaryIO) -> None:
    """Copies the rows to be retried, each as it was last sent. Call it in a thread.

    Raises:
        NotAllowed: the archive does not hold all of them.
        StateError: a file cannot be read.
    """
    later = [paths.archive(ref) for ref in proposal.asked if is_there(paths.archive(ref))]
    ids = proposal.chosen.ids
    copied = copy_rows(paths.archive(proposal.first.ref), ids, sink, later)
    if copied != len(ids):
        raise NotAllowed(
            f"Only {copied:,} of {plural(len(ids), 'request')} are in the archive.", "Submit the rest as a new file."
        )


def described(proposals: Sequence[Proposal]) -> str:
    """What would be sent, and what would not, in a sentence or two."""
    causes: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for proposal in proposals:
        causes.update(proposal.chosen.causes)
        left.update(proposal.chosen.left)
    said = f"{plural(causes.total(), 'request')} can succeed if sent again ({in_words(causes)})."
    return f"{said} Left out, because they would fail again: {in_words(left)}." if left else said


def price_of(proposals: Sequence[Proposal], *, plain: bool) -> str:
    """What all of them are likely to cost, and the most: that of the first batches, as no part costs more than the
    whole. Empty if the likely cost is not known; with `plain`, in ASCII."""
    expected, ceilings = likely_usd(proposals), [one.first.cost.max_usd for one in proposals]
    known = [usd for usd in ceilings if usd is not None]
    most = sum(known) if len(known) == len(ceilings) else None
    return "" if expected is None else likely_and_most(expected, most, plain=plain)


def likely_usd(proposals: Sequence[Proposal]) -> float | None:
    """The likely cost of all of them, based on the estimates of the first batches; None if one is not known."""
    shares = [
        one.first.cost.estimated_usd * one.requests / one.first.requests
        for one in proposals
        if one.first.cost.estimated_usd is not None and one.first.requests
    ]
    return sum(shares) if shares and len(shares) == len(proposals) else None


async def propose_all(refs: Sequence[str], context: Context, *, include_permanent: bool = False) -> list[Proposal]:
    """What retries of several batches would send. Raises as `propose` if none has anything to retry."""
    snapshot = await context.disk.snapshot()
    found: dict[str, Proposal] = {}
    nothing: NotAllowed | None = None
    for ref in refs:
        try:
            one = await asyncio.to_thread(propose, snapshot, ref, context.paths, include_permanent=include_permanent)
            found[one.first.ref] = one
        except NothingLeft as error:
            nothing = nothing or error
        except NotYet as error:
            nothing = error
    if isinstance(nothing, NotYet) and any(one.unsent for one in found.values()):
        return [one for one in found.values() if one.unsent]  # what runs can be retried once it has ended
    if nothing and (not found or isinstance(nothing, NotYet)):
        raise nothing
    return list(found.values())
