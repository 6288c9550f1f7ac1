"""Treats a batch and its retries as one: which came first, and whether all of them are over."""

from __future__ import annotations

from collections.abc import Iterable

from batchtui.core.batches.batch import Batch, Snapshot, State

_OVER = frozenset({State.RETRIEVED, State.REJECTED, State.GONE})


def first_of(snapshot: Snapshot, batch: Batch) -> Batch:
    """The batch that a retry goes back to; the batch itself if it is not a retry or its first batch was forgotten."""
    known = {one.ref: one for one in snapshot.batches}
    seen = {batch.ref}
    while batch.retry_of in known and batch.retry_of not in seen:
        batch = known[batch.retry_of]
        seen.add(batch.ref)
    return batch


def with_retries(snapshot: Snapshot, batch: Batch) -> list[Batch]:
    """The first batch and all its retries, in the order they were sent. Its results are merged from these."""
    first = first_of(snapshot, batch)
    retries = [one for one in snapshot.batches if one.ref != first.ref and first_of(snapshot, one).ref == first.ref]
    return [first, *sorted(retries, key=lambda one: (one.submitted_at, one.ref))]


def not_over(batches: Iterable[Batch]) -> Batch | None:
    """A batch whose results may still arrive, so that it is not known yet which of its requests failed; else None."""
    return next((batch for batch in batches if batch.state not in _OVER), None)
