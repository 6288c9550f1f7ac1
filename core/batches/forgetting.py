"""What becomes of a submission when some of its batches are forgotten. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Part, Snapshot, State, Submission
from batchtui.core.batches.plan import members


def unsent_with(snapshot: Snapshot, wholes: Collection[Submission], singles: Iterable[Batch]) -> int:
    """How many requests that were not sent go with these submissions and these single batches."""
    refs = {one.ref for one in singles}
    parts = [part for one in wholes for part in one.waiting]
    for submission in (one for one in snapshot.submissions.values() if one not in wholes):
        if not refs.isdisjoint(submission.batches):
            parts += behind(submission, members(snapshot, submission), refs)
    return sum(part.requests for part in parts)


def behind(submission: Submission, batches: Sequence[Batch], refs: Collection[str]) -> tuple[Part, ...]:
    """The waiting parts that go if those of its `batches` with these refs are forgotten.

    That is all of them if no batch is left, or nothing of what the API refused: only a retry of that would send them.
    """
    left = [one for one in batches if one.ref not in refs]
    lifts = submission.stopped and any(map(was_refused, batches)) and not any(map(was_refused, left))
    return submission.waiting if lifts or not left else ()


def without(submission: Submission, batches: Sequence[Batch], ref: str) -> Submission:
    """The submission without one of its `batches` and what waits behind it. If that had stopped it, what is answered
    goes on."""
    gone = behind(submission, batches, (ref,))
    left = replace(submission, waiting=tuple(part for part in submission.waiting if part not in gone))
    if not (submission.stopped and any(one.ref == ref and was_refused(one) for one in batches)) or left.waiting:
        return left
    if any(was_refused(one) for one in batches if one.ref != ref):
        return left
    return replace(left, stopped=False, trouble=None)


def handed_over(submission: Submission) -> Submission:
    """The submission once another one sends what it held back: its answers go on."""
    return replace(submission, waiting=(), stopped=False, trouble=None)


def was_refused(batch: Batch) -> bool:
    """Whether the API refused a part of a submission. A retry that it refused is another matter."""
    return batch.state is State.REJECTED and not batch.retry_of
