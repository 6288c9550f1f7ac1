"""When the next look is worth a call: a pure function of what runs, how long such batches took before, and the time.

The wait grows with the age of a batch, since five minutes are late for one that took two, and nothing for one that took
ten hours. Where many of the user's own batches ended, it shrinks; where none did, it grows. All batches share one
look, so the most urgent of them decides. A credit bounds the calls of a day, whatever runs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import log, sqrt

from batchtui.core.batches import plan
from batchtui.core.batches.batch import TIME_LIMIT, Batch, Snapshot, State
from batchtui.core.batches.progress import RECENT
from batchtui.core.sending.look import LOOKED_FOR, open_intents, under_way
from batchtui.core.state.looks import CREDIT

SOONEST = 15.0
"""The fewest seconds between two looks."""

USUALLY = 300.0
"""The most seconds between two looks where the past says nothing, in the first hour, and with nothing under way."""

LATER = 600.0
"""The same after two hours: then ten minutes late is little, and what is saved goes to what was just sent."""

LONGEST = 900.0
"""The most seconds between two looks while earlier such batches say that it is too early."""

PER_LOOK = 330.0
"""Seconds in which one look is earned: with `CREDIT`, a day has fewer of them than one with a look every 300 s."""

_COST = 0.006
"""What one call is worth: being late by this share of a batch's age. Smaller means more looks."""

_NEAR = 1.12
"""Batches that took as long as this one has run, within this factor, tell how likely it ends now."""

_LIMIT = TIME_LIMIT.total_seconds()
_AT_LIMIT = 600.0
_AT_LIMIT_EVERY = 120.0
_WAITING = 120.0
_STEP = 1.25
_ENOUGH = 3
_MOST = 200

_SPAN = log(_LIMIT / 30.0)
"""Without any past, an end is as likely between one and two minutes as between one and two hours, from 30 s to 24 h."""

_Kind = tuple[tuple[str, ...], int]


def next_look(snapshot: Snapshot, credit: float, now: datetime) -> float:
    """Seconds until the next look. `credit` is how many looks are saved up; `now` is the API's time as far as known."""
    waits = [*_for_running(snapshot, now), *_for_the_rest(snapshot, now)]
    return max(min(waits, default=USUALLY), (1.0 - credit) * PER_LOOK)


def after_look(credit: float, seconds: float) -> float:
    """The credit after a look that came `seconds` after the one before."""
    return max(min(credit + max(seconds, 0.0) / PER_LOOK, CREDIT) - 1.0, 0.0)


def wait_for(age: float, past: Sequence[float]) -> float:
    """Seconds until a batch of this age is worth a look. `past` is how long such batches took, sorted; in seconds."""
    before, wait = SOONEST, SOONEST
    while wait < LONGEST:
        apart = _apart(age + wait, past)
        if wait >= apart:
            return max(apart, before)
        before, wait = wait, wait * _STEP
    return LONGEST


def _apart(age: float, past: Sequence[float]) -> float:
    """How far apart looks at this age should be: the square root of what a call costs over how likely an end is, which
    makes the cost of calls and of being late together least."""
    if abs(age - _LIMIT) < _AT_LIMIT:
        return _AT_LIMIT_EVERY
    age = max(age, SOONEST)
    later = len(past) - bisect_left(past, age / _NEAR)
    near = bisect_right(past, age * _NEAR) - bisect_left(past, age / _NEAR)
    any_near = 2.0 * log(_NEAR) / _SPAN
    any_later = max(log(_LIMIT / age), 0.0) / _SPAN + any_near
    likely = (near + any_near) / ((later + any_later) * (_NEAR - 1.0 / _NEAR))
    most = LONGEST if later >= _ENOUGH else min(max(age / 12.0, USUALLY), LATER)
    return max(SOONEST, min(age * sqrt(2.0 * _COST / likely), most))


def _for_running(snapshot: Snapshot, now: datetime) -> Iterator[float]:
    running = under_way(snapshot)
    if not running:
        return
    past = _past(snapshot)
    wanted = sorted({(max(now - one.began, timedelta()) // timedelta(seconds=SOONEST), _kind(one)) for one in running})
    for age, kind in wanted[:: len(wanted) // _MOST + 1]:
        yield wait_for(age * SOONEST, past.get(kind, ()))


def _past(snapshot: Snapshot) -> dict[_Kind, list[float]]:
    """How long the user's newest batches took, by kind, sorted."""
    took: dict[_Kind, list[float]] = {}
    for one in snapshot.batches:
        if one.ended_at and one.created_at and not one.cancel_initiated_at:
            for kind in _kinds_like(one):
                if len(kept := took.setdefault(kind, [])) < RECENT:
                    kept.append((one.ended_at - one.created_at).total_seconds())
    return {kind: sorted(kept) for kind, kept in took.items()}


def _kind(batch: Batch) -> _Kind:
    return batch.models, batch.requests.bit_length()


def _kinds_like(batch: Batch) -> Iterator[_Kind]:
    """The kinds for which a batch counts: of the same models, and of about a quarter to four times its size."""
    models, size = _kind(batch)
    return ((models, like) for like in range(size - 2, size + 3))


def _for_the_rest(snapshot: Snapshot, now: datetime) -> Iterator[float]:
    for intent in open_intents(snapshot, now):
        age = now - intent.submitted_at
        yield min(max(age.total_seconds() / 4.0, SOONEST), USUALLY) if age < LOOKED_FOR else USUALLY
    for batch in snapshot.batches:
        if batch.state is State.ENDED and batch.trouble and batch.failing_since:
            failing = (batch.trouble.at - batch.failing_since).total_seconds()
            yield min(max(failing / 4.0, SOONEST), USUALLY)
    if any(plan.to_send(snapshot)):
        yield _WAITING
