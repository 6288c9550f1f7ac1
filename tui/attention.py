"""What is worth a person's attention also while they look elsewhere: what has ended, and what waits for them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from batchtui.core.batches import plan
from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Snapshot, State
from batchtui.core.batches.standing import standing
from batchtui.core.batches.submissions import rolled_up
from batchtui.core.errors import Unreachable
from batchtui.core.text import inert_line, plural

SHOWN = 3
"""How many things are said one by one. Of more, the rest is counted."""


class Call(Struct, frozen=True):
    """`text` is a sentence about the submission of this `name`. `bad` if it waits for the user; `hint` says how."""

    name: str
    text: str
    hint: str = ""
    bad: bool = False


def calls(before: Snapshot, after: Snapshot) -> list[Call]:
    """What to call the user for, by submission: all of its batches and steps have ended, or it waits for the user.

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
    rows_before = dict(_rows(was))
    for ref, row in _rows(now):
        if ref not in found and (said := _over(rows_before.get(ref), row, names[ref])):
            found[ref] = said
    return list(found.values())


def _only(snapshot: Snapshot, submissions: set[str]) -> Snapshot:
    ours = tuple(one for one in snapshot.batches if one.submission in submissions)
    return Snapshot(
        snapshot.revision, ours, {ref: one for ref, one in snapshot.submissions.items() if ref in submissions}
    )


def _rows(snapshot: Snapshot) -> Iterator[tuple[str, Batch]]:
    """Each submission as one row, even if it has only one batch so far."""
    for ref, submission in snapshot.submissions.items():
        if ours := plan.members(snapshot, submission):
            yield ref, rolled_up(submission, ours)


def _over(before: Batch | None, row: Batch, name: str) -> Call | None:
    """The call for a row that was under way and is over now. Who is refused is told by the form that sent it."""
    ran = before is not None and before.state in UNDER_WAY | UNSETTLED
    return Call(name, f"{name} ended: {row.share}.") if ran and row.state in (State.ENDED, State.RETRIEVED) else None


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
