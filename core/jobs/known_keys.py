"""Which keys of a job are under way, or have their answers, by earlier submissions under the same name."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from batchtui.core.batches.batch import Batch, Snapshot, State, Submission
from batchtui.core.batches.submissions import first_steps
from batchtui.core.errors import StateError
from batchtui.core.files import is_there
from batchtui.core.paths import Paths
from batchtui.core.results.failures import failures
from batchtui.core.results.retrieve import where
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


_keyed = msgspec.json.Decoder(_Keyed).decode


def known_keys(snapshot: Snapshot, paths: Paths, name: str, *, now: bool) -> Known:
    """The keys of the first step. Run it in a thread.

    A request that failed for good has no answer, so its key is not known: sending it again is what the user wants.
    With `now`, an unfinished run without a batch is left out: the same command continues it.

    Raises:
        StateError: the keys or the results of an earlier submission cannot be read.
    """
    ours = {ref: one for ref, one in snapshot.submissions.items() if one.name == name}
    return _known(snapshot, paths, name, ours, now=now)


def sent_since(snapshot: Snapshot, paths: Paths, batch: Batch) -> frozenset[str]:
    """The custom_ids of a batch whose keys a later run of its job sent again, if they are under way or answered there.

    What failed is new to that run, so a retry would buy it a second time. Run it in a thread. Raises StateError as
    `known_keys`.
    """
    submission = snapshot.submissions.get(batch.submission)
    if submission is None or batch.step:
        return frozenset()
    later = {
        ref: one
        for ref, one in snapshot.submissions.items()
        if one.name == submission.name and one.created_at > submission.created_at
    }
    if not later:
        return frozenset()
    known = _known(snapshot, paths, submission.name, later, now=False)
    again = known.under_way | known.answered
    return frozenset(custom_id for custom_id, key in _keys(paths, batch.ref).items() if key in again)


def _known(snapshot: Snapshot, paths: Paths, name: str, ours: dict[str, Submission], *, now: bool) -> Known:
    under_way: set[str] = set()
    answered: set[str] = set()
    for submission in ours.values():
        if not (now and _unfinished(submission)):
            for part in submission.waiting:
                if part.step == 0:
                    under_way.update(_keys(paths, part.ref).values())
    for batch in snapshot.batches:
        of = ours.get(batch.submission)
        if of is None or batch.step or batch.state in _WITHOUT_ANSWERS or (now and _unfinished(of)):
            continue
        if batch.state is State.RETRIEVED:
            answered |= _answered(paths, batch)
        else:
            under_way.update(_keys(paths, batch.ref).values())
    return Known(frozenset(under_way - answered), frozenset(answered), first_steps(snapshot, name))


def _unfinished(submission: Submission) -> bool:
    return submission.urgent and bool(submission.waiting)


def _answered(paths: Paths, batch: Batch) -> set[str]:
    keys = _keys(paths, batch.ref)
    if keys and batch.unanswered:
        for custom_id in failures([where(paths, batch)]):
            keys.pop(custom_id, None)
    return set(keys.values())


def _keys(paths: Paths, ref: str) -> dict[str, str]:
    """The keys of a part by custom_id; none if it was not made by a job."""
    path = paths.keys(ref)
    if not is_there(path):
        return {}
    try:
        with path.open("rb") as file:
            return {one.custom_id: one.key for one in map(_keyed, file)}
    except (OSError, ValueError) as error:
        raise StateError(
            f"The keys in {inert_line(str(path))} cannot be read: {inert_line(str(error), 120)}.",
            "Restore the file from a copy; without it, it is not known which rows were sent.",
        ) from error
