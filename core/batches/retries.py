"""Treats a batch and its retries as one: why requests are sent again, which batch came first, and what is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from batchtui.core.batches.batch import Batch, Snapshot, State


class Kind(StrEnum):
    """Why a request may be sent again: its outcome or, if it errored, whether the same request may succeed later."""

    CUT = "cut"
    REFUSED = "refused"
    PAUSED = "paused"
    UNFIT = "unfit"
    EXPIRED = "expired"
    CANCELED = "canceled"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


DEFAULT = frozenset({Kind.EXPIRED, Kind.CANCELED, Kind.TRANSIENT})
"""The kinds that may succeed as they are, so a retry takes them without being told."""


_OVER = frozenset({State.RETRIEVED, State.REJECTED, State.GONE})


def first_of(snapshot: Snapshot, batch: Batch) -> Batch:
    """The batch that a retry goes back to; the batch itself if it is not a retry or its first batch was forgotten."""
    return _first({one.ref: one for one in snapshot.batches}, batch)


def _first(known: Mapping[str, Batch], batch: Batch) -> Batch:
    seen = {batch.ref}
    while batch.retry_of in known and batch.retry_of not in seen:
        batch = known[batch.retry_of]
        seen.add(batch.ref)
    return batch


def with_retries(snapshot: Snapshot, batch: Batch) -> list[Batch]:
    """The first batch and all its retries, in the order they were sent. Its results are merged from these."""
    known = {one.ref: one for one in snapshot.batches}
    first = _first(known, batch)
    retries = [one for one in snapshot.batches if one.ref != first.ref and _first(known, one).ref == first.ref]
    return [first, *sorted(retries, key=lambda one: (one.submitted_at, one.ref))]


def after_all(group: Iterable[Batch], at: datetime) -> datetime:
    """When to say that more of the same requests was sent: after all of a group, even if the clock was set back since,
    as the latest attempt counts."""
    latest = max((one.submitted_at for one in group), default=None)
    return at if latest is None or latest < at else latest + timedelta(microseconds=1)


def attempts(snapshot: Snapshot, batches: Iterable[Batch]) -> list[Batch]:
    """Every batch that these requests were sent in, each first one and its retries; none if there is no retry."""
    found = {one.ref: one for batch in batches for one in with_retries(snapshot, batch)}
    return list(found.values()) if any(one.retry_of for one in found.values()) else []


def not_over(batches: Iterable[Batch]) -> Batch | None:
    """A batch whose results may still arrive, so that it is not known yet which of its requests failed; else None."""
    return next((batch for batch in batches if batch.state not in _OVER), None)
