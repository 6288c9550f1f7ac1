"""Which keys of a job are under way, or have their answers, by earlier submissions under the same name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from batchtui.core.batches.batch import Batch, Part, Snapshot, State, Submission
from batchtui.core.batches.forgetting import was_refused
from batchtui.core.batches.plan import members
from batchtui.core.batches.submissions import first_steps, held_back
from batchtui.core.errors import StateError
from batchtui.core.paths import Paths
from batchtui.core.results.failures import failures
from batchtui.core.results.retrieve import where
from batchtui.core.state.archive import archived_ids, keys_of
from batchtui.core.text import inert_line

_WITHOUT_ANSWERS = (State.REJECTED, State.GONE)


class Known(Struct, frozen=True):
    """No key is in both. `seen` are the refs of the batches and parts that were looked at."""

    under_way: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()


NOTHING = Known()


class _Keyed(Struct, gc=False):
    custom_id: str
    key: str


_Read = Callable[[Paths, str, Submission], dict[str, str]]
"""Reads the keys of a part, by its ref, of a submission."""

_keyed = msgspec.json.Decoder(_Keyed).decode


def known_keys(snapshot: Snapshot, paths: Paths, name: str, *, now: bool) -> Known:
    """The keys of the first step. Run it in a thread.

    A request that failed for good has no answer, so its key is not known: sending it again is what the user wants.
    With `now`, an unfinished run without a batch is left out: the same command continues it.

    Raises:
        StateError: the keys or the results of an earlier submission cannot be read.
    """
    ours = {ref: one for ref, one in snapshot.submissions.items() if one.name == name}
    return _known(snapshot, paths, name, ours, now=now, read=_keys)


def sent_since(snapshot: Snapshot, paths: Paths, batch: Batch | Part, of: str) -> frozenset[str]:
    """The custom_ids of a batch or part of a submission, whose ref is `of`, that a later run of its job, by their keys,
    or a later submission of its very rows, under any name, sent again, if they are under way or answered there.

    What failed is new to that run, so a retry would buy it a second time. Later is what the state got later, whatever
    our clock said. Of an earlier one, only its retries count that are later than the batch. Run it in a thread. Raises
    StateError as `known_keys`, and if the requests of a submission cannot be read.
    """
    submission = snapshot.submissions.get(of)
    if submission is None or batch.step:
        return frozenset()
    order = list(snapshot.submissions)
    earlier = frozenset(order[: order.index(of)])
    since = batch.submitted_at if isinstance(batch, Batch) else submission.created_at

    def counts(one: Batch | Part, its: Submission) -> bool:
        if its.ref not in earlier:
            return True
        over = isinstance(one, Batch) and one.state is State.RETRIEVED and one.submitted_at <= since
        return bool(one.retry_of) and not over

    every = {ref: one for ref, one in snapshot.submissions.items() if ref != of}
    ways: list[tuple[dict[str, Submission], _Read]] = [
        ({ref: one for ref, one in every.items() if one.sha256 == submission.sha256 != ""}, _own_ids)
    ]
    if _keys_of(paths, batch.ref, submission):
        ways.append(({ref: one for ref, one in every.items() if one.name == submission.name}, _keys))
    found: set[str] = set()
    for alike, read in ways:
        if alike:
            known = _known(snapshot, paths, submission.name, alike, now=False, read=read, counts=counts)
            again = known.under_way | known.answered
            found.update(custom_id for custom_id, key in read(paths, batch.ref, submission).items() if key in again)
    return frozenset(found)


def taken_over(snapshot: Snapshot, paths: Paths, name: str, parts: Sequence[Part]) -> tuple[Submission, ...]:
    """The submissions under a name that hold back parts of which the `parts` of a new one send requests, or others sent
    them: no retry sends those any more. Rows of them that the source does not show now are nobody's.

    Run it in a thread. Raises StateError as `known_keys`.
    """
    held = [one for one in snapshot.submissions.values() if one.name == name and held_back(one)]
    if not held:
        return ()
    known = known_keys(snapshot, paths, name, now=False)
    gone = known.under_way.union(known.answered, *(_read(paths.keys(part.ref)).values() for part in parts))
    taken = []
    for submission in held:
        refused = [one for one in members(snapshot, submission) if was_refused(one)]
        pieces: tuple[Batch | Part, ...] = (*refused, *submission.waiting)
        keys = [_keys(paths, one.ref, submission) for one in pieces if not one.step]
        if keys and len(keys) == len(pieces) and all(not gone.isdisjoint(of_part.values()) for of_part in keys):
            taken.append(submission)
    return tuple(taken)


def _known(
    snapshot: Snapshot,
    paths: Paths,
    name: str,
    ours: dict[str, Submission],
    *,
    now: bool,
    read: _Read,
    counts: Callable[[Batch | Part, Submission], bool] = lambda _, __: True,
) -> Known:
    under_way: set[str] = set()
    answered: set[str] = set()
    for submission in ours.values():
        if not (held_back(submission) or (now and _unfinished(submission))):
            for part in submission.waiting:
                if part.step == 0 and counts(part, submission):
                    under_way.update(read(paths, part.ref, submission).values())
    for batch in snapshot.batches:
        of = ours.get(batch.submission)
        if of is None or batch.step or batch.state in _WITHOUT_ANSWERS or (now and _unfinished(of)):
            continue
        if not counts(batch, of):
            continue
        if batch.state is State.RETRIEVED:
            answered |= _answered(paths, batch, of, read)
        else:
            under_way.update(read(paths, batch.ref, of).values())
    return Known(frozenset(under_way - answered), frozenset(answered), first_steps(snapshot, name))


def _unfinished(submission: Submission) -> bool:
    return submission.urgent and bool(submission.waiting)


def _answered(paths: Paths, batch: Batch, of: Submission, read: _Read) -> set[str]:
    keys = read(paths, batch.ref, of)
    if keys and batch.unanswered:
        for custom_id in failures([where(paths, batch)]):
            keys.pop(custom_id, None)
    return set(keys.values())


def _own_ids(paths: Paths, ref: str, _: Submission) -> dict[str, str]:
    """The custom_ids of a part, which are the keys of a plain file."""
    return {one: one for one in archived_ids(paths.archive(ref))}


def _keys_of(paths: Paths, ref: str, submission: Submission) -> Path | None:
    return keys_of(paths, ref, submission.ref, of_job=bool(submission.step_names))


def _keys(paths: Paths, ref: str, submission: Submission) -> dict[str, str]:
    """The keys of a part by custom_id; none if it was not made by a job."""
    path = _keys_of(paths, ref, submission)
    return _read(path) if path else {}


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            return {one.custom_id: one.key for one in map(_keyed, file)}
    except (OSError, ValueError) as error:
        raise StateError(
            f"The keys in {inert_line(str(path))} cannot be read: {inert_line(str(error), 120)}.",
            "Restore the file from a copy; without it, it is not known which rows were sent.",
        ) from error
