"""A batch after a look at the API: what is taken over from there, and what is given back."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State, Trouble
from batchtui.core.batches.limits import MAX_REQUESTS
from batchtui.core.batches.remote import Counts, ProcessingStatus, Remote
from batchtui.core.errors import Unreachable
from batchtui.core.text import plural


def observe(batch: Batch, remote: Remote, *, confirms: bool = True) -> Batch:
    """The batch after one look at the API's object. A retrieved batch stays retrieved; an end is never undone.

    Without `confirms`, it says nothing of whose batch it is: another account saw it, or it answered the create. An
    object with another number of requests than we sent is about something else, and changes nothing.
    """
    if _other_total(batch, remote):
        return batch
    was_ended = batch.state is State.ENDED and remote.processing_status is not ProcessingStatus.ENDED
    if was_ended or batch.state in (State.RETRIEVED, State.GONE):
        return replace(batch, archived_at=remote.archived_at or batch.archived_at)
    return replace(
        batch,
        id=remote.id,
        state=_state(remote),
        processing_status=remote.processing_status,
        request_counts=remote.request_counts,
        requests=batch.requests if batch.digest else remote.request_counts.total or batch.requests,
        created_at=remote.created_at,
        expires_at=remote.expires_at,
        ended_at=remote.ended_at,
        archived_at=remote.archived_at,
        cancel_initiated_at=remote.cancel_initiated_at,
        attempt=replace(batch.attempt, confirmed=True) if batch.attempt and confirms else batch.attempt,
    )


def check_counts(batch: Batch, remote: Remote) -> None:
    """Raises Unreachable if a host shows other requests than were sent, or of somebody else's batch more than one can
    have: how much is read of its results goes by them."""
    if _other_total(batch, remote):
        shown = f"The host showed {remote.id} with {plural(remote.request_counts.total, 'request')}"
        than = f" instead of {batch.requests:,}" if batch.digest else ", more than a batch can have"
        raise Unreachable(f"{shown}{than}.", "Check ANTHROPIC_BASE_URL and any proxy.")


def _other_total(batch: Batch, remote: Remote) -> bool:
    """Of what somebody else sent, only the API knows the number."""
    total = remote.request_counts.total
    return total not in (0, batch.requests) if batch.digest else total > MAX_REQUESTS


def unclaimed(batch: Batch, trouble: Trouble, *, refuse: bool = True) -> Batch:
    """The batch without the id it has, which turned out to belong to somebody else: the search for its own goes on.

    Without `refuse`, the same id may be found for it again.
    """
    if batch.attempt is None or batch.id is None:
        return batch
    attempt = replace(batch.attempt, confirmed=False)
    return replace(
        batch,
        id=None,
        state=State.UNCONFIRMED,
        processing_status=None,
        request_counts=Counts(),
        created_at=None,
        expires_at=None,
        ended_at=None,
        archived_at=None,
        cancel_initiated_at=None,
        attempt=replace(attempt, refused=(*attempt.refused, batch.id)) if refuse else attempt,
        doubtful=False,
        trouble=trouble,
        failing_since=None,
        cost=replace(batch.cost, actual_usd=None, saved_usd=None),
    )


def without_copy(batch: Batch, at: datetime) -> Batch:
    """The batch after the API's copy was deleted. If its results were not here, they are gone."""
    batch = replace(batch, remote_deleted_at=batch.remote_deleted_at or at)
    if batch.state is State.RETRIEVED:
        return batch
    return replace(batch, state=State.GONE, trouble=None, failing_since=None)


def _state(remote: Remote) -> State:
    if remote.processing_status is ProcessingStatus.ENDED:
        return State.GONE if remote.archived_at else State.ENDED
    return State.CANCELING if remote.processing_status is ProcessingStatus.CANCELING else State.IN_PROGRESS
