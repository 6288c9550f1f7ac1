"""When the API's copy of results goes: by itself, 29 days after the batch was created, or as `[keep]` says. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from batchtui.core.batches.batch import UNDER_WAY, Batch, State, retention_left
from batchtui.core.batches.deadline_text import of_batch
from batchtui.core.text import duration

WARNED = timedelta(days=5)
"""How long before the API drops results the user is warned, if they are not on this machine."""


_GOING = "The results are not on this machine, and the API drops them in {}: batchtui retrieve {}"


def about_to_go(batch: Batch, now: datetime) -> timedelta | None:
    """How long the API still keeps results that are not here, once that is at most `WARNED`; else None.

    A batch that seems to be under way that long has ended: it was not looked at since.
    """
    left = retention_left(batch, now)
    missing = batch.state is State.ENDED or batch.state in UNDER_WAY
    return left if missing and left is not None and timedelta() < left <= WARNED else None


def state_words(batch: Batch, now: datetime) -> str:
    """The state as the user reads it, with its deadline, and a warning if results that are not here are about to go."""
    left = about_to_go(batch, now)
    said = (batch.state.words, of_batch(batch, now), f"results go in {duration(left)}" if left else "")
    return ", ".join(filter(None, said))


def warning(batch: Batch, now: datetime) -> str:
    """What is about to be lost and what to do, as a sentence; empty if nothing is."""
    left = about_to_go(batch, now)
    return _GOING.format(duration(left), batch.label) if left else ""


def to_delete(batches: Iterable[Batch], kept: timedelta, now: datetime) -> list[Batch]:
    """The batches whose results have been here for at least `kept`, the longest first, and of which the API still has a
    copy. Whether the results really are here is for the files to say."""
    due = [
        (batch.retrieved_at, batch)
        for batch in batches
        if batch.state is State.RETRIEVED
        and batch.id
        and batch.retrieved_at
        and not batch.remote_deleted_at
        and now - batch.retrieved_at >= kept
        and (retention_left(batch, now) or timedelta()) > timedelta()
    ]
    return [batch for _, batch in sorted(due, key=lambda one: (one[0], one[1].ref))]
