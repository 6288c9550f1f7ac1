"""Settling a create whose outcome is not known, by looking at the API's list.

The list shows no custom_ids, so a batch is recognized by when it was made and how many requests it holds. That is
enough if only one fits. If several fit, the ids of their results decide once they have ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State, observe
from batchtui.core.batches.remote import Remote

SKEW = timedelta(minutes=2)
"""How far apart the clocks of the API's own servers may be."""

SLOWEST_UPLOAD = 50_000
"""Bytes per second. A create may be accepted as long as its body could still have been on its way."""

GRACE = timedelta(minutes=15)
"""Longer than gateways wait for a server. A batch that is not listed by then was most likely never made."""


class Settled(Struct, frozen=True):
    """`found`: what each ref turned out to be. `several`: the candidates if more than one fits, oldest first."""

    found: dict[str, Remote]
    several: dict[str, tuple[Remote, ...]]


def settle(intents: Sequence[Batch], listed: Iterable[Remote], claimed: AbstractSet[str]) -> Settled:
    """Matches intents with `listed` batches. `claimed` are ids that belong to other batches of this state.

    A listed batch that fits an intent being sent right now is left to that intent: its answer is on the way. Intents
    with the same rows are interchangeable: they share out the candidates, oldest to oldest. A candidate that fits
    intents with different rows proves nothing for either.
    """
    sending = [intent for intent in intents if intent.state is State.SUBMITTING]
    free = (one for one in listed if one.id not in claimed and not any(_fits(rival, one) for rival in sending))
    pool = sorted(free, key=lambda one: one.created_at)
    groups: dict[tuple[str, int], list[Batch]] = {}
    for intent in sorted(intents, key=lambda one: one.submitted_at):
        if intent in sending:
            continue
        assert intent.attempt
        groups.setdefault((intent.digest, intent.attempt.bytes), []).append(intent)
    fits = {key: [one for one in pool if any(_fits(intent, one) for intent in group)] for key, group in groups.items()}
    wanted: dict[str, int] = {}
    for candidates in fits.values():
        for one in candidates:
            wanted[one.id] = wanted.get(one.id, 0) + 1
    found: dict[str, Remote] = {}
    several: dict[str, tuple[Remote, ...]] = {}
    for key, group in groups.items():
        candidates = fits[key]
        if candidates and len(candidates) <= len(group) and all(wanted[one.id] == 1 for one in candidates):
            found |= _share_out(group, candidates)
        else:
            for intent in group:
                if mine := tuple(one for one in candidates if _fits(intent, one)):
                    several[intent.ref] = mine
    return Settled(found, several)


def claim(intent: Batch, one: Remote) -> Batch:
    """The intent as the batch that was found for it; doubtful until the ids of its results decide."""
    return replace(observe(replace(intent, doubtful=True), one), trouble=None)


def _share_out(group: Sequence[Batch], candidates: Sequence[Remote]) -> dict[str, Remote]:
    found: dict[str, Remote] = {}
    left = list(group)
    for one in candidates:
        owner = next((intent for intent in left if _fits(intent, one)), None)
        if owner:
            left.remove(owner)
            found[owner.ref] = one
    return found


def _fits(intent: Batch, one: Remote) -> bool:
    attempt = intent.attempt
    assert attempt
    latest = attempt.started_at + SKEW + GRACE + timedelta(seconds=attempt.bytes / SLOWEST_UPLOAD)
    return (
        one.request_counts.total == intent.requests
        and attempt.started_at - SKEW <= one.created_at <= latest
        and one.id not in attempt.nearby
        and one.id not in attempt.refused
    )


def oldest_needed(intents: Iterable[Batch]) -> datetime | None:
    """How far back the list must be read to see every candidate; None without intents."""
    return min((intent.attempt.started_at - SKEW for intent in intents if intent.attempt), default=None)


def given_up(intent: Batch, now: datetime) -> bool:
    """Whether the API had long enough to list it, so that the user should decide. `now` is server time."""
    attempt = intent.attempt
    assert attempt
    return now > attempt.started_at + GRACE + timedelta(seconds=attempt.bytes / SLOWEST_UPLOAD)
