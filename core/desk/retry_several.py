"""Retries of several batches at once: what all of them would send, and what they may cost together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from batchtui.core.batches.batch import Batch, Snapshot
from batchtui.core.batches.deadline import goes_at_once
from batchtui.core.batches.plan import members
from batchtui.core.batches.retries import first_of
from batchtui.core.batches.spending import committed
from batchtui.core.batches.submissions import word_for
from batchtui.core.cost.estimate import together
from batchtui.core.cost.limit import hold_more
from batchtui.core.desk.retry_proposal import NothingLeft, NotYet, Proposal, none_of, propose
from batchtui.core.desk.retry_wanted import Wanted
from batchtui.core.errors import NotAllowed
from batchtui.core.results.failures import kinds_of
from batchtui.core.sending.context import Context


def hold_all(proposals: Sequence[Proposal], snapshot: Snapshot, limit: float | None) -> None:
    """Holds what several retries of a submission can cost together under its limit, before the first of them is sent.

    Raises:
        OverLimit: they could cost more than `limit` or, without one, than the submission may.
    """
    by_whole: dict[str, list[Proposal]] = {}
    for one in proposals:
        by_whole.setdefault(one.first.submission, []).append(one)
    for ref, ours in by_whole.items():
        whole = snapshot.submissions.get(ref)
        if whole is None or len(ours) < 2 or any(one.unsent for one in ours):
            continue
        prices = [one.prices.get(kind) for one in ours for kind in kinds_of(one.chosen.causes)]
        known = [one for one in prices if one]
        so_far = committed(members(snapshot, whole), whole.waiting, whole.forgotten_usd)
        how = f"batchtui retry {_word(snapshot, [one.first for one in ours])}{ours[0].wanted.flags} --max-cost USD"
        estimate = together(known) if len(known) == len(prices) else None
        hold_more("The retry", estimate, so_far, whole.max_cost if limit is None else limit, how)


async def propose_all(refs: Sequence[str], context: Context, wanted: Wanted) -> list[Proposal]:
    """What retries of several batches would send. Raises as `propose` if none has anything to retry."""
    snapshot = await context.disk.snapshot()
    found: dict[str, Proposal] = {}
    nothing: NotAllowed | None = None
    left: dict[str, Mapping[str, int]] = {}
    for ref in refs:
        try:
            one = await asyncio.to_thread(propose, snapshot, ref, context.paths, wanted)
            if why := goes_at_once(snapshot, one.first):
                raise NotYet(why, f"batchtui show {one.first.label}")
            found[one.first.ref] = one
        except NothingLeft as error:
            nothing = nothing or error
            left |= {batch.ref: error.left for batch in _first_ones(snapshot, ref) if error.left}
        except NotYet as error:
            nothing = error
    if isinstance(nothing, NotYet) and any(one.unsent for one in found.values()):
        return [one for one in found.values() if one.unsent]  # what runs can be retried once it has ended
    if nothing and (not found or isinstance(nothing, NotYet)):
        if len(left) > 1 and not isinstance(nothing, NotYet):
            every = sum(map(Counter, left.values()), Counter[str]())
            ours = [one for one in snapshot.batches if one.ref in left]
            nothing = none_of(dict(every.most_common()), wanted, _word(snapshot, ours))
        raise nothing
    return list(found.values())


def _first_ones(snapshot: Snapshot, ref: str) -> list[Batch]:
    return [first_of(snapshot, one) for one in snapshot.batches if one.ref == ref]


def _word(snapshot: Snapshot, batches: Sequence[Batch]) -> str:
    """What to type for these batches of one submission: the id of one, or the word for all."""
    whole = snapshot.submissions.get(batches[0].submission)
    return word_for(snapshot, whole) if whole and len(batches) > 1 else batches[0].label
