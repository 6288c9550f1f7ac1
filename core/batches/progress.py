"""How far a batch is and how long such batches usually take: pure, and never claims more than is known."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from statistics import median

from msgspec import Struct

from batchtui.core.batches.batch import UNDER_WAY, Batch, State

RECENT = 50
"""How many past batches count, at most, for how long such batches usually take."""

ENOUGH = 20
"""How few past batches are too few to say that one is slow: of 20, one is slower than 95 %."""


class Counted(Struct, frozen=True, gc=False):
    """Real counts: `done` of `total` requests."""

    done: int
    total: int


class Waiting(Struct, frozen=True, gc=False):
    """The counts have not moved. `age` is real; `usual` is how long earlier such batches took, None without any."""

    age: timedelta
    usual: timedelta | None


Progress = Counted | Waiting | None
"""None: there is nothing to measure (not accepted yet, rejected, gone)."""


def progress(batch: Batch, now: datetime, usual: timedelta | None) -> Progress:
    """How far a batch is. Never claims a count that the API did not give."""
    counts = batch.request_counts
    if batch.state in (State.ENDED, State.RETRIEVED):
        return Counted(counts.done, counts.total)
    if batch.state not in UNDER_WAY:
        return None
    if counts.done:
        return Counted(counts.done, counts.total)
    return Waiting(max(now - batch.began, timedelta()), usual)


def usual(batches: Iterable[Batch], like: Batch) -> timedelta | None:
    """The median time of the user's own ended batches of the same models and a size within 4x; None if there are none.

    Uses only the first `RECENT` that fit; `batches` are newest first.
    """
    recent = _took(batches, like)
    return timedelta(seconds=median(recent)) if recent else None


def slow(batches: Iterable[Batch], like: Batch) -> timedelta | None:
    """The time within which 95 % of those batches ended; None if there are fewer than `ENOUGH`."""
    recent = sorted(_took(batches, like))
    return timedelta(seconds=recent[-(len(recent) // 20) - 1]) if len(recent) >= ENOUGH else None


def _took(batches: Iterable[Batch], like: Batch) -> list[float]:
    took = (
        (past.ended_at - past.created_at).total_seconds()
        for past in batches
        if past.ended_at
        and past.created_at
        and not past.cancel_initiated_at
        and past.models == like.models
        and past.requests <= like.requests * 4
        and like.requests <= past.requests * 4
    )
    return list(islice(took, RECENT))
