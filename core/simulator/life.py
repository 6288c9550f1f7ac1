"""How far along a simulated batch is at a given time: pure functions of the batch and `now`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from msgspec import Struct

from batchtui.core.batches.batch import RETENTION, TIME_LIMIT
from batchtui.core.batches.remote import Counts, ProcessingStatus
from batchtui.core.simulator.world import Ending, SimulatedRequest, SimulatorSettings, Stored

_COUNTED_AS = {
    Ending.INVALID: "errored",
    Ending.FAILED: "errored",
    Ending.CANCELED: "canceled",
    Ending.EXPIRED: "expired",
}
"""The others count as succeeded."""

_NOTHING: Mapping[str, Ending] = MappingProxyType({})


class MessageBatch(Struct, frozen=True, kw_only=True):
    """The API's batch object as sent over the wire."""

    id: str
    type: str = "message_batch"
    processing_status: ProcessingStatus
    request_counts: dict[str, int]
    ended_at: str | None
    created_at: str
    expires_at: str
    archived_at: str | None
    cancel_initiated_at: str | None
    results_url: str | None


def ends_at(batch: Stored) -> datetime:
    """When the batch ends or ended."""
    alone = batch.created_at + min(batch.duration, TIME_LIMIT)
    return min(alone, batch.canceled_at + batch.settle) if batch.canceled_at else alone


def status(batch: Stored, now: datetime) -> ProcessingStatus:
    if now >= ends_at(batch):
        return ProcessingStatus.ENDED
    return ProcessingStatus.CANCELING if batch.canceled_at else ProcessingStatus.IN_PROGRESS


def archived_at(batch: Stored, now: datetime) -> datetime | None:
    """When its results were archived: on request, or 29 days after it was created."""
    if batch.archived_at:
        return batch.archived_at
    lapses = batch.created_at + RETENTION
    return lapses if now >= lapses else None


def reached(batch: Stored, at: datetime) -> float:
    """The share of the requests processed by the time `at`, 0 to 1."""
    span = at - batch.created_at
    return min(max(span / batch.duration, 0.0), 1.0) if batch.duration else 1.0


def final_share(batch: Stored) -> float:
    """The share of the requests that will be processed when the batch ends; the rest are canceled or expire."""
    stop = batch.created_at + TIME_LIMIT
    return reached(batch, min(batch.canceled_at, stop) if batch.canceled_at else stop)


def ending(batch: Stored, row: SimulatedRequest, share: float) -> Ending:
    """How a request ends if `share` of the batch is processed."""
    if (row.draw >> 32) / 2**32 >= share:
        return Ending.CANCELED if batch.canceled_at else Ending.EXPIRED
    if row.problem:
        return Ending.INVALID
    how = drawn(row, batch.settings, batch.told)
    return Ending.SUCCEEDED if batch.spared and row.custom_id in batch.spared else how


def drawn(row: SimulatedRequest, settings: SimulatorSettings, told: Mapping[str, Ending] = _NOTHING) -> Ending:
    """How a request that is processed ends: as it was told, else by the shares of the settings. A continued turn is not
    paused again."""
    how = told.get(row.custom_id) if told else None
    how = how or _by_share(row, settings)
    return Ending.SUCCEEDED if how is Ending.PAUSED and row.continued else how


def _by_share(row: SimulatedRequest, settings: SimulatorSettings) -> Ending:
    chance = (row.draw & 0xFFFFFFFF) / 2**32
    for kind, part in (
        (Ending.FAILED, settings.errored),
        (Ending.EXPIRED, settings.expired),
        (Ending.REFUSED, settings.refused),
        (Ending.CUT, settings.cut),
        (Ending.PAUSED, settings.paused),
        (Ending.UNFIT, settings.unfit),
    ):
        if chance < part:
            return kind
        chance -= part
    return Ending.SUCCEEDED


def tally(batch: Stored) -> Counts:
    """The batch's final counts, cached on the batch until its end changes."""
    share = final_share(batch)
    if not batch.tallied or batch.tallied[0] != share:
        found = Counter(_COUNTED_AS.get(ending(batch, row, share), "succeeded") for row in batch.rows())
        batch.tallied = (share, Counts(**found))
    return batch.tallied[1]


def counts(batch: Stored, now: datetime) -> Counts:
    """`request_counts`: all `processing` until the end, as the API documents, unless `moving_counts` is set."""
    if status(batch, now) is ProcessingStatus.ENDED:
        return tally(batch)
    if not batch.settings.moving_counts:
        return Counts(processing=batch.size)
    final, share = tally(batch), min(reached(batch, now), final_share(batch))
    succeeded, errored = int(final.succeeded * share), int(final.errored * share)
    return Counts(processing=batch.size - succeeded - errored, succeeded=succeeded, errored=errored)


def describe(batch: Stored, now: datetime, base_url: str) -> MessageBatch:
    """The API's batch object at `now`. Its results_url starts with `base_url`, or is null if there are no results."""
    where, archived, counted = status(batch, now), archived_at(batch, now), counts(batch, now)
    ended = where is ProcessingStatus.ENDED
    return MessageBatch(
        id=batch.id,
        processing_status=where,
        request_counts={name: getattr(counted, name) for name in counted.__struct_fields__},
        ended_at=stamp(ends_at(batch)) if ended else None,
        created_at=stamp(batch.created_at),
        expires_at=stamp(batch.created_at + TIME_LIMIT),
        archived_at=stamp(archived) if archived else None,
        cancel_initiated_at=stamp(batch.canceled_at) if batch.canceled_at else None,
        results_url=f"{base_url}/v1/messages/batches/{batch.id}/results" if ended and not archived else None,
    )


def stamp(moment: datetime) -> str:
    """RFC 3339 with microseconds and `+00:00`, as the API writes it."""
    return moment.isoformat(timespec="microseconds")


def cancel(batch: Stored, now: datetime) -> None:
    """Requests cancellation; requesting it again changes nothing."""
    batch.canceled_at = batch.canceled_at or now


def advance(batch: Stored, seconds: float, now: datetime) -> None:
    """Brings the batch's end nearer by `seconds`, but not before now."""
    nearer = max(ends_at(batch) - timedelta(seconds=seconds), now)
    if batch.canceled_at:
        batch.settle = nearer - batch.canceled_at
    else:
        batch.duration = nearer - batch.created_at
