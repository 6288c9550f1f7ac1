"""What is worth a person's attention also while they look elsewhere: what has ended, and what waits for them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Snapshot, State, Submission
from batchtui.core.batches.standing import standing
from batchtui.core.batches.submissions import rolled_up
from batchtui.core.errors import Unreachable
from batchtui.core.text import inert_line, plural

_MOVING = UNDER_WAY | UNSETTLED

SHOWN = 3
"""How many things are said one by one. Of more, the rest is counted."""


class Call(Struct, frozen=True):
    """`text` is a sentence about the submission of this `name`. `bad` if it waits for the user; `hint` says how."""

    name: str
    text: str
    hint: str = ""
    bad: bool = False


def calls(before: Snapshot, after: Snapshot, *, retrieves: bool = False) -> list[Call]:
    """What to call the user for, by submission: all of its batches and steps have ended, or it waits for the user.

    With `retrieves`, a batch is not over before its results are here: until then, only the API's count is known, in
    which a cut or refused answer is a success.
    That the API cannot be reached is no reason to call anybody: it is tried again.
    """
    changed = {one.submission for one in after.batches if one.revision > before.revision}
    changed |= {ref for ref, one in after.submissions.items() if one.revision > before.revision}
    if not changed:
        return []
    was, now = _only(before, changed), _only(after, changed)
    waited = {(one.batch, one.message) for one in standing(was)}
    found: dict[str, Call] = {}
    submissions = {one.ref: one.submission for one in now.batches}
    names = {ref: inert_line(one.name, 60) for ref, one in now.submissions.items()}
    for failure in standing(now):
        ref = submissions.get(failure.batch or "", "")
        if (failure.batch, failure.message) not in waited and failure.error.code != Unreachable.code and ref in names:
            found.setdefault(ref, Call(names[ref], f"{names[ref]}: {failure.message}", failure.hint, bad=True))
    moving = _MOVING | {State.ENDED} if retrieves else _MOVING
    ran = {one.submission for one in was.batches if one.state in moving}
    ours: dict[str, list[Batch]] = {}
    for one in now.batches:
        ours.setdefault(one.submission, []).append(one)
    for ref in ran & names.keys() - found.keys():
        if row := _over(now.submissions[ref], ours.get(ref, []), moving):
            found[ref] = Call(names[ref], f"{names[ref]} ended: {row.share}.")
    return [found[ref] for ref in now.submissions if ref in found]


def _only(snapshot: Snapshot, submissions: set[str]) -> Snapshot:
    ours = tuple(one for one in snapshot.batches if one.submission in submissions)
    wholes = {ref: snapshot.submissions[ref] for ref in snapshot.submissions if ref in submissions}
    return Snapshot(snapshot.revision, ours, wholes)


def _over(submission: Submission, batches: Sequence[Batch], moving: Collection[State]) -> Batch | None:
    """The row of a submission if all of it has ended. What was refused is told by the form that sent it."""
    if not batches or any(one.state in moving for one in batches):
        return None
    alone = len(batches) == 1 and not (submission.waiting or submission.steps)
    row = batches[0] if alone else rolled_up(submission, batches)
    return row if row.state in (State.ENDED, State.RETRIEVED) else None


def one_by_one(found: Sequence[Call]) -> list[Call]:
    """The calls to show, the bad ones first; of more than a few, the rest is one call with their number."""
    first = sorted(found, key=lambda one: not one.bad)
    if len(first) <= SHOWN:
        return first
    rest = first[SHOWN - 1 :]
    word = "need you" if any(one.bad for one in rest) else "ended"
    return [*first[: SHOWN - 1], Call("", f"{len(rest)} more {word}.", bad=any(one.bad for one in rest))]


def headline(found: Sequence[Call], *, ascii: bool = False) -> str:  # noqa: A002
    """All calls in a few words, for a title: `✓ nightly ended`. With `ascii`, in ASCII."""
    bad = [one for one in found if one.bad]
    some = bad or found
    name = some[0].name if len(some) == 1 else plural(len(some), "batch", "batches")
    if bad:
        return f"! {name} needs you" if len(some) == 1 else f"! {name} need you"
    return f"{'*' if ascii else '✓'} {name} ended"
