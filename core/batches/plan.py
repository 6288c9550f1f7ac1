"""What a submission of several parts does next: pure, decided from the state alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Output, Part, Snapshot, State, Submission, Trouble
from batchtui.core.batches.remote import Counts
from batchtui.core.text import number


def members(snapshot: Snapshot, submission: Submission) -> list[Batch]:
    """Its batches that this state still knows, in the order they were sent."""
    return next(ours for _, ours in _with_members(snapshot, [submission]))


def _with_members(snapshot: Snapshot, submissions: Iterable[Submission]) -> Iterator[tuple[Submission, list[Batch]]]:
    """Each with its batches, which are looked up once for all of them: there may be thousands."""
    known: dict[str, Batch] = {}
    for submission in submissions:
        known = known or {batch.ref: batch for batch in snapshot.batches}
        yield submission, [known[ref] for ref in submission.batches if ref in known]


def counts(batches: Sequence[Batch], waiting: Sequence[Part]) -> Counts:
    """The requests of all of it: what waits is not done, and what was asked again is no longer failed.

    Which failures a retry answered is not looked up: expired and canceled ones, all of them asked again, go first.
    """
    firsts = [batch for batch in batches if not batch.retry_of]
    retries = [batch for batch in batches if batch.retry_of]
    asked_again, running = sum(_succeeded(one) for one in retries), sum(_running(one) for one in retries)
    left = asked_again + running
    failed: list[int] = []
    for kind in ("expired", "canceled", "errored"):
        count = sum(getattr(one.request_counts, kind) for one in firsts)
        failed.append(max(count - left, 0))
        left = max(left - count, 0)
    expired, canceled, errored = failed
    return Counts(
        processing=sum(_running(one) for one in firsts) + running + sum(part.requests for part in waiting),
        succeeded=sum(_succeeded(one) for one in firsts) + asked_again,
        errored=errored,
        canceled=canceled,
        expired=expired,
    )


def _succeeded(batch: Batch) -> int:
    return batch.request_counts.succeeded


def _running(batch: Batch) -> int:
    """Its requests that have no end yet, as far as the API says."""
    if batch.ended_at or batch.state not in UNDER_WAY | UNSETTLED:
        return 0
    return batch.requests - batch.request_counts.done


def to_send(snapshot: Snapshot) -> Iterator[Submission]:
    """Submissions whose first waiting part may be sent now."""
    free = (one for one in snapshot.submissions.values() if one.waiting and not (one.stopped or one.urgent))
    for submission, ours in _with_members(snapshot, free):
        if not _held(ours, submission):
            yield submission


def _held(ours: Sequence[Batch], submission: Submission) -> bool:
    """Whether the rest must wait: for the canary's answers, or for what is not known to be accepted."""
    if any(batch.state in (State.SUBMITTING, State.UNCONFIRMED) for batch in ours):
        return True
    step = [batch for batch in ours if batch.step == submission.step]
    alone = submission.canary and submission.waiting[0].number == 2 and len(step) < 2
    return alone and not any(_clean(batch) for batch in step)  # one that was forgotten has not shown that all is well


def _clean(batch: Batch) -> bool:
    return batch.state is State.RETRIEVED and not batch.request_counts.failed


def spoiled_canaries(snapshot: Snapshot) -> Iterator[tuple[Submission, Batch]]:
    """Canaries whose answers are here and not all well, while the rest still waits."""
    waiting = (one for one in snapshot.submissions.values() if one.canary and one.waiting and not one.stopped)
    for submission, ours in _with_members(snapshot, waiting):
        step = [batch for batch in ours if batch.step == submission.step]
        over = len(step) == 1 and step[0].state in (State.RETRIEVED, State.REJECTED, State.GONE)
        if over and not _clean(step[0]):
            yield submission, step[0]


def why_stopped(submission: Submission, canary: Batch, now: datetime) -> Trouble:
    """What to say of a submission whose canary is not clean."""
    failed = canary.request_counts.failed or canary.requests
    left = sum(part.requests for part in submission.waiting)
    which = "The first request" if canary.requests == 1 else f"{failed} of the first {number(canary.requests)} requests"
    return Trouble(
        f"{which} did not succeed, so the other {number(left)} were not sent.",
        f"batchtui show {canary.label} says why. Mend the requests and submit them anew.",
        now,
    )


def _answered(submission: Submission, ours: Sequence[Batch]) -> list[Batch]:
    """The batches of its present step once all of them are retrieved and none is still to be sent; else none."""
    return [] if submission.waiting else _retrieved(ours, submission.step)


def _retrieved(ours: Sequence[Batch], step: int) -> list[Batch]:
    """The batches of a step once all of them are retrieved; else none.

    A retry that came to nothing holds nothing up.
    """
    over = {State.REJECTED, State.GONE}
    left = [batch for batch in ours if batch.step == step and not (batch.retry_of and batch.state in over)]
    return left if left and all(batch.state is State.RETRIEVED for batch in left) else []


def undone(submission: Submission, batches: Sequence[Batch]) -> list[int]:
    """The places of the outputs that are still to be done, or done before the newest of these answers came."""
    newest = max((one.retrieved_at for one in batches if one.retrieved_at), default=None)
    return [
        place
        for place, output in enumerate(submission.outputs)
        if output.done_at is None or (newest and output.done_at < newest)
    ]


def outputs_due(snapshot: Snapshot) -> Iterator[tuple[Submission, list[Batch]]]:
    """Submissions whose answers are all here and have not gone to all their outputs, with the batches they are in."""
    going = (one for one in snapshot.submissions.values() if one.outputs and not one.stopped)
    for submission, ours in _with_members(snapshot, going):
        batches = _answered(submission, ours)
        if batches and undone(submission, batches):
            yield submission, batches


def late_due(snapshot: Snapshot) -> Iterator[tuple[Submission, list[Batch]]]:
    """Submissions with a step, before the present one, of which a retry is here that has not gone to its outputs yet,
    with all batches of that step."""
    going = (one for one in snapshot.submissions.values() if one.step and not one.stopped)
    for submission, ours in _with_members(snapshot, going):
        for step in sorted({one.step for one in ours if one.step < submission.step and pending(one)}):
            if batches := _retrieved(ours, step):
                yield submission, batches


def pending(batch: Batch) -> list[Output]:
    """The outputs that a retry of an earlier step has still to go to."""
    return [one for one in batch.outputs if one.done_at is None]


def step_due(snapshot: Snapshot) -> Iterator[tuple[Submission, list[Batch]]]:
    """Submissions whose next step can be built: this one is answered and its outputs are done."""
    going = (one for one in snapshot.submissions.values() if one.steps and not one.stopped)
    for submission, ours in _with_members(snapshot, going):
        batches = _answered(submission, ours)
        if batches and not undone(submission, batches) and not _held_before(submission, batches):
            yield submission, batches


def _held_before(submission: Submission, batches: Sequence[Batch]) -> bool:
    """Whether these very answers were found not to allow the next step."""
    at = submission.held_at
    return bool(at and all(one.retrieved_at and one.retrieved_at <= at for one in batches))


def can_be_finished(snapshot: Snapshot, submission: Submission) -> bool:
    """Whether anything of it is left to ask, to write or to build, and nothing of it is under way elsewhere."""
    if submission.waiting:
        return True
    batches = _answered(submission, members(snapshot, submission))
    return bool(batches and (submission.steps or undone(submission, batches)))


def in_order(batches: Sequence[Batch]) -> list[Batch]:
    """Parts in the order of their rows, and retries behind what they repeat."""
    return sorted(batches, key=lambda one: (bool(one.retry_of), one.part, one.submitted_at))


def can_go_on(snapshot: Snapshot) -> bool:
    """Whether what is here allows a submission's next move, without anything to ask the API."""
    moves = (to_send, spoiled_canaries, outputs_due, late_due, step_due)
    return any(any(True for _ in move(snapshot)) for move in moves)


def goes_on(snapshot: Snapshot, submission: Submission, batches: Sequence[Batch]) -> bool:
    """Whether anything of a submission is under way, or follows by itself. What holds back a step is its trouble."""
    if any(one.state in UNDER_WAY | {State.ENDED, State.SUBMITTING} for one in batches):
        return True
    alone = Snapshot(snapshot.revision, tuple(batches), {submission.ref: submission})
    held = submission.trouble and not (submission.waiting or any(outputs_due(alone)))
    return not held and can_go_on(alone)
