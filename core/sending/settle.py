"""Settling a create whose outcome is not known, by looking at the API's list.

The list shows no custom_ids, so a batch is recognized by how many requests it holds and by being new since the create
was begun. New is what was not listed then and, by the API's own clock, is no older than the newest batch that was.
That needs no clock of ours and no Date header. Among new ones the time decides: those made while the create could have
been accepted come first. If several fit, or only one that was made at another time, the ids of their results decide
once they have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.batch import Attempt, Batch, State
from batchtui.core.batches.observe import observe
from batchtui.core.batches.remote import Remote

SKEW = timedelta(minutes=2)
"""How far apart the clocks of the API's own servers may be."""

_TICK = timedelta(seconds=2)
"""A Date header has whole seconds."""

SLOWEST_UPLOAD = 50_000
"""Bytes per second. A create may be accepted as long as its body could still have been on its way."""

GRACE = timedelta(minutes=15)
"""Longer than gateways wait for a server. A batch that is not listed by then was most likely never made."""

NOTHING_LISTED = datetime(2000, 1, 1, tzinfo=UTC)
"""`Attempt.newest` if there was no batch at all before the create: older than anything that the API can list."""


Key = TypeVar("Key")


class Settled(Struct, frozen=True):
    """`found`: what each ref turned out to be. `several`: what it could be if that is not clear yet, oldest first."""

    found: dict[str, Remote]
    several: dict[str, tuple[Remote, ...]]


def settle(intents: Sequence[Batch], listed: Iterable[Remote], claimed: AbstractSet[str]) -> Settled:
    """Matches intents with `listed` batches. `claimed` are ids that belong to other batches of this state.

    A listed batch that fits an intent being sent right now is left to that intent: its answer is on the way. Intents
    with the same rows share out the candidates by time. What the ids of its results prove to be one of several intents
    with the same ids, whatever their other content, goes by time among all of those. A candidate that fits intents with
    different rows proves nothing for either.
    """
    sending = [intent for intent in intents if intent.state is State.SUBMITTING]
    free = (one for one in listed if one.id not in claimed and not any(fits_time(rival, one) for rival in sending))
    pool = sorted(free, key=lambda one: one.created_at)
    found: dict[str, Remote] = {}
    open_ones = [one for one in sorted(intents, key=lambda one: one.submitted_at) if one not in sending]
    for alike in _grouped(open_ones, lambda one: one.digest).values():
        theirs = {intent.attempt.proven for intent in alike if intent.attempt}
        found |= _share_out(alike, [one for one in pool if one.id in theirs], _could_be)
    pool = [one for one in pool if one.id not in {taken.id for taken in found.values()}]
    groups = _grouped([one for one in open_ones if one.ref not in found], _rows)
    fits = {key: [one for one in pool if any(fits_time(own, one) for own in group)] for key, group in groups.items()}
    wanted: dict[str, int] = {}
    for candidates in fits.values():
        for one in candidates:
            wanted[one.id] = wanted.get(one.id, 0) + 1
    several: dict[str, tuple[Remote, ...]] = {}
    for key, group in groups.items():
        candidates = fits[key]
        if candidates and len(candidates) <= len(group) and all(wanted[one.id] == 1 for one in candidates):
            found |= _share_out(group, candidates, fits_time)
        else:
            for intent in group:
                could = tuple(one for one in pool if why_not_it(intent, one) is None)
                if mine := tuple(one for one in candidates if fits_time(intent, one)) or could:
                    several[intent.ref] = mine
    return Settled(found, several)


def claim(intent: Batch, one: Remote) -> Batch:
    """The intent as the batch that was found for it; doubtful until the ids of its results decide."""
    return replace(observe(replace(intent, doubtful=True), one, confirms=False), trouble=None)


def _share_out(
    group: Sequence[Batch], candidates: Sequence[Remote], fits: Callable[[Batch, Remote], bool]
) -> dict[str, Remote]:
    """Each candidate, oldest first, goes to the intent that was begun last before it was made: the ids of two files may
    be the same, and an older intent had its time."""
    found: dict[str, Remote] = {}
    left = list(group)
    for one in candidates:
        able = [intent for intent in left if fits(intent, one)]
        begun = [intent for intent in able if intent.attempt and intent.attempt.started_at <= one.created_at + _TICK]
        if able:
            owner = begun[-1] if begun else able[0]
            left.remove(owner)
            found[owner.ref] = one
    return found


def _grouped(intents: Iterable[Batch], key: Callable[[Batch], Key]) -> dict[Key, list[Batch]]:
    """Intents by what they have in common, in their order."""
    groups: dict[Key, list[Batch]] = {}
    for intent in intents:
        groups.setdefault(key(intent), []).append(intent)
    return groups


def _rows(intent: Batch) -> tuple[str, int]:
    """What tells the rows of an intent from others; the digest is over their ids alone."""
    assert intent.attempt
    return intent.digest, intent.attempt.bytes


def _could_be(intent: Batch, one: Remote) -> bool:
    assert intent.attempt
    return one.id == intent.attempt.proven or why_not_it(intent, one) is None


def why_not_it(intent: Batch, one: Remote, claimed: AbstractSet[str] = frozenset()) -> str | None:
    """Why a batch of the API cannot be the one that was being sent; None if it could be. `claimed` as in `settle`."""
    attempt = intent.attempt
    assert attempt
    if one.id in claimed or one.id in attempt.nearby:
        return "its id belongs to an earlier batch"
    if one.id in attempt.refused:
        return "its results have other ids"
    if one.request_counts.total != intent.requests:
        return f"it holds {one.request_counts.total:,} requests, not {intent.requests:,}"
    if one.created_at < _earliest(attempt):
        return "it was made before this one was sent"
    return None


def fits_time(intent: Batch, one: Remote) -> bool:
    """Whether it could be, and was made while the create could have been accepted, by the most generous clock."""
    attempt = intent.attempt
    assert attempt
    latest = max(attempt.started_at, intent.submitted_at, attempt.newest or attempt.started_at)
    return why_not_it(intent, one) is None and one.created_at <= latest + SKEW + _time_to_appear(attempt)


def _earliest(attempt: Attempt) -> datetime:
    return (attempt.newest or attempt.started_at) - SKEW


def _time_to_appear(attempt: Attempt) -> timedelta:
    return GRACE + timedelta(seconds=attempt.bytes / SLOWEST_UPLOAD)


def oldest_needed(intents: Iterable[Batch]) -> datetime | None:
    """How far back the list must be read to see every candidate; None without intents."""
    return min((_earliest(intent.attempt) for intent in intents if intent.attempt), default=None)


def given_up(intent: Batch, now: datetime, server_time: datetime | None) -> bool:
    """Whether the API had long enough to list it, so that the user should decide.

    Both clocks must say so, ours and the API's. Without a Date, or with one before the create's, ours decides alone.
    """
    attempt = intent.attempt
    assert attempt
    enough = _time_to_appear(attempt)
    ours = now - intent.submitted_at > enough
    if server_time is None or server_time < attempt.started_at - SKEW:
        return ours
    return ours and server_time - attempt.started_at > enough
