"""The way out of a submission whose deadline is over: pure decisions, from the state alone.

At the deadline a submission becomes urgent, and the batches that have not ended are marked as overdue, in one
transaction. From then on the state says what is left to do: an overdue batch is canceled once; when it is over, its
requests without an answer become a part that waits, in the transaction that takes the mark away. Waiting parts of an
urgent submission are answered at once. So whatever process goes on, each request is asked for at most once more.

A submission that is stopped has no way out: it waits for a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Part, Snapshot, State, Submission
from batchtui.core.batches.plan import clean, members, outcomes
from batchtui.core.batches.price import HALF, STANDARD
from batchtui.core.batches.retries import first_of, not_over, with_retries
from batchtui.core.batches.spending import committed
from batchtui.core.batches.submissions import command

SOON = 15.0
"""Seconds until the next look while overdue batches are being canceled, or something waits to be sent at once."""


def past(snapshot: Snapshot, now: datetime) -> Iterator[Submission]:
    """Submissions whose deadline is over while something of them has not ended, and that go out now."""
    for submission in _with_deadline(snapshot):
        if submission.urgent or not submission.deadline or submission.deadline > now:
            continue
        late = any(is_overdue(one) for one in members(snapshot, submission))
        if late or submission.waiting or submission.steps:
            yield submission


def is_overdue(batch: Batch) -> bool:
    """Whether a batch did not end by its deadline. One that a person canceled is left alone."""
    by = batch.deadline
    if by is None or batch.cancel_initiated_at:
        return False
    if batch.ended_at is None:
        return batch.state in UNDER_WAY | UNSETTLED
    late = batch.ended_at > by
    return late and (batch.state is State.ENDED or (batch.state is State.RETRIEVED and bool(batch.unanswered)))


def in_time(batch: Batch) -> bool:
    """Whether a batch ended by itself before its deadline. One that was canceled did not, whatever the clocks say."""
    return bool(
        batch.ended_at and batch.deadline and batch.ended_at <= batch.deadline and batch.cancel_initiated_at is None
    )


def answered_at_once(batch: Batch) -> bool:
    """Whether its requests were sent singly, without a batch."""
    return batch.state is State.RETRIEVED and batch.id is None


def gone_out(submission: Submission, batches: Sequence[Batch]) -> tuple[Submission, list[Batch]]:
    """A submission at its deadline, and its batches that are overdue: what waits costs the standard price now."""
    waiting = tuple(at_standard(part) for part in submission.waiting)
    late = [replace(one, overdue=True) for one in batches if is_overdue(one)]
    return replace(submission, urgent=True, waiting=waiting, trouble=None), late


def withdrawn(submission: Submission, batches: Sequence[Batch]) -> tuple[Submission, list[Batch]]:
    """A submission that a person holds back, and those of its batches that change: nothing of it is sent at once."""
    changed = [left_alone(one) for one in batches if one.overdue or not (one.deadline is None or one.ended_at)]
    return submission if submission.urgent else replace(submission, deadline=None), changed


def left_alone(batch: Batch) -> Batch:
    """A batch that a person cancels: what has no answer in it is not sent at once."""
    return replace(batch, overdue=False, deadline=None)


def at_standard(part: Part) -> Part:
    """A part that was to be sent in a batch, at the standard price."""
    times = float(STANDARD / HALF)
    likely, most = part.estimated_usd, part.max_usd
    return replace(
        part,
        estimated_usd=None if likely is None else likely * times,
        max_usd=None if most is None else most * times,
    )


def to_cancel(snapshot: Snapshot) -> list[Batch]:
    """Overdue batches that the API still works on, and was not asked to cancel. An id that is not certain to be ours
    is left alone: the batch may be somebody else's."""
    return [
        one
        for one in snapshot.batches
        if one.overdue
        and one.state is State.IN_PROGRESS
        and one.id
        and one.cancel_initiated_at is None
        and not one.doubtful
        and _goes_on(snapshot, one)
    ]


def unsure(snapshot: Snapshot) -> Iterator[Submission]:
    """Submissions with an overdue batch that cannot be canceled, as its id may be somebody else's."""
    for submission in _with_deadline(snapshot):
        if any(one.overdue and one.doubtful and one.state in UNDER_WAY for one in members(snapshot, submission)):
            yield submission


def _goes_on(snapshot: Snapshot, batch: Batch) -> bool:
    submission = snapshot.submissions.get(batch.submission)
    return submission is not None and not submission.stopped


def rests_due(snapshot: Snapshot) -> Iterator[Batch]:
    """Overdue batches that are over, and all their retries too: what has no answer can be sent at once. One of each."""
    seen: set[str] = set()
    for batch in snapshot.batches:
        if not (batch.overdue and _goes_on(snapshot, batch)):
            continue
        group = with_retries(snapshot, batch)
        if group[0].ref not in seen and not_over(group) is None:
            seen.add(group[0].ref)
            yield batch


def to_answer(snapshot: Snapshot) -> Iterator[tuple[Submission, tuple[Part, ...]]]:
    """Submissions with parts that may be sent at once now, and those parts."""
    for submission in _with_deadline(snapshot):
        if submission.urgent and submission.waiting:
            ours = members(snapshot, submission)
            parts = _allowed(submission, ours)
            if parts and affordable(submission, ours):
                yield submission, parts


def affordable(submission: Submission, ours: Sequence[Batch]) -> bool:
    """Whether all that waits stays within the limit. A cost that is not known does not."""
    if submission.max_cost is None:
        return True
    most = committed(ours, submission.waiting, submission.forgotten_usd)
    return most is not None and most <= submission.max_cost


def unpriced(snapshot: Snapshot) -> Iterator[Submission]:
    """Submissions whose rest is held because nobody can tell whether it stays within the limit."""
    for submission in _with_deadline(snapshot):
        if not (submission.urgent and submission.waiting) or submission.max_cost is None:
            continue
        if committed(members(snapshot, submission), submission.waiting, submission.forgotten_usd) is None:
            yield submission


def _allowed(submission: Submission, ours: Sequence[Batch]) -> tuple[Part, ...]:
    """The parts that need not wait for a canary: what is left of a batch, and all once the canary is clean."""
    rest = tuple(part for part in submission.waiting if part.retry_of)
    new = [part for part in submission.waiting if not part.retry_of]
    if not submission.canary or not new:
        return submission.waiting
    step = [one for one in ours if one.step == submission.step]
    if not step and new[0].number == 1:
        return (*rest, new[0])
    if len([one for one in step if not one.retry_of]) != 1 or new[0].number != 2:
        return submission.waiting
    return submission.waiting if not rest and canary_clean(step) else rest


def canary_clean(step: Sequence[Batch]) -> bool:
    """Whether a canary and what was sent again of it have all their answers."""
    counted = outcomes(step, ())
    return clean(step[0]) or bool(counted and not counted.unanswered)


def carried_on(snapshot: Snapshot, batch: Batch) -> bool:
    """Whether what has no answer in a batch was, or is, sent at once: then it is no failure of that batch."""
    if batch.overdue:
        return True
    first = first_of(snapshot, batch)
    submission = snapshot.submissions.get(batch.submission)
    if submission is None or submission.deadline is None:
        return False
    if any(part.retry_of == first.ref for part in submission.waiting):
        return True
    return any(answered_at_once(one) and one.retry_of for one in with_retries(snapshot, batch))


def goes_at_once(snapshot: Snapshot, first: Batch) -> str:
    """Why requests of a batch may not be sent again now: its deadline is over, and what is left of it is sent at once.
    Empty if they may."""
    submission = snapshot.submissions.get(first.submission)
    if submission is None:
        return ""
    if any(part.retry_of == first.ref for part in submission.waiting):
        go = f" To go on with that: {command(submission.input)}" if submission.stopped else ""
        return f"Its deadline is over, and what is left of it waits to be sent at once.{go}"
    late = any(one.overdue for one in with_retries(snapshot, first))
    return (
        "Its deadline is over: what is left of it is about to be sent at once."
        if late and not submission.stopped
        else ""
    )


def unanswered_at_once(before: Snapshot, after: Snapshot) -> bool:
    """Whether some of what was sent at once since `before` has no usable answer either."""
    known = {one.ref for one in before.batches}
    return any(
        one.unanswered and one.retry_of and answered_at_once(one) for one in after.batches if one.ref not in known
    )


def seconds_to_next(snapshot: Snapshot, now: datetime) -> float | None:
    """Seconds until the next look is due because of a deadline; None if none is."""
    waits: list[float] = []
    for submission in _with_deadline(snapshot):
        ours = members(snapshot, submission)
        if submission.urgent:
            busy = any(one.overdue and one.state in UNDER_WAY | UNSETTLED for one in ours)
            if busy or (submission.waiting and affordable(submission, ours)):
                waits.append(SOON)
        elif submission.deadline and (submission.waiting or any(one.state in UNDER_WAY | UNSETTLED for one in ours)):
            waits.append(max((submission.deadline - now) / timedelta(seconds=1), 0.0))
    return min(waits, default=None)


def _with_deadline(snapshot: Snapshot) -> Iterator[Submission]:
    return (one for one in snapshot.submissions.values() if one.deadline and not one.stopped)
