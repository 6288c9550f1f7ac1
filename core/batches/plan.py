"""Decides what a submission of several parts does next: pure, from the state alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import asdict, replace

from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Output, Part, Snapshot, State, Submission, Trouble
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.remote import Counts
from batchtui.core.batches.retries import Kind
from batchtui.core.batches.spending import too_dear
from batchtui.core.errors import Unanswered
from batchtui.core.text import number

_LIKELY_MENDED = ("expired", "canceled", "errored", "paused", "cut", "unfit", "refused")
_IN_OUTCOMES: Mapping[str, str] = {Kind.TRANSIENT: "errored", Kind.PERMANENT: "errored"}
_IN_COUNTS: Mapping[str, str] = {
    **_IN_OUTCOMES,
    **dict.fromkeys((Kind.CUT, Kind.REFUSED, Kind.PAUSED, Kind.UNFIT), "succeeded"),
}


def members(snapshot: Snapshot, submission: Submission) -> list[Batch]:
    """The batches of a submission that this state still knows, in the order they were sent."""
    return next(ours for _, ours in _with_members(snapshot, [submission]))


def _with_members(snapshot: Snapshot, submissions: Iterable[Submission]) -> Iterator[tuple[Submission, list[Batch]]]:
    """Each submission with its batches. They are looked up once for all submissions: there may be thousands."""
    known: dict[str, Batch] = {}
    for submission in submissions:
        known = known or {batch.ref: batch for batch in snapshot.batches}
        yield submission, [known[ref] for ref in submission.batches if ref in known]


def counts(batches: Sequence[Batch], waiting: Sequence[Part]) -> Counts:
    """The counts of all requests, each by its latest attempt: waiting ones are not done, and those that a retry answers
    or runs are not failed. So are those that wait to be sent at once.

    A retry of an older version does not say what it took: of the failures, expired and canceled ones are taken first.
    """
    told, untold = _retries(batches)
    total = Counter[str](processing=sum(part.requests for part in waiting))
    for one in (*(one for one in batches if not one.retry_of), *told):
        total.update({**asdict(one.request_counts), "processing": _running(one)})
    total.subtract(_taken([*told, *(part for part in waiting if part.retry_of)], batches, _IN_COUNTS))
    succeeded, running = sum(_succeeded(one) for one in untold), sum(_running(one) for one in untold)
    total.update(succeeded=succeeded, processing=running)
    _take(total, ("expired", "canceled", "errored"), succeeded + running)
    return Counts(**{name: max(count, 0) for name, count in total.items()})


def outcomes(batches: Sequence[Batch], waiting: Sequence[Part]) -> Outcomes | None:
    """The outcomes of all requests, each by its latest attempt; None until all are here.

    A retry of an older version does not say what it took: what is likeliest to succeed is taken first.
    """
    over = [batch for batch in batches if not (batch.retry_of and batch.state in (State.REJECTED, State.GONE))]
    known = [batch.outcomes for batch in over if batch.outcomes]
    if waiting or not known or len(known) < len(over):
        return None
    told, untold = _retries(over)
    total = Counter[str]()
    for one in (*(one for one in over if not one.retry_of), *told):
        total.update(asdict(one.outcomes or Outcomes()))
    total.subtract(_taken(told, over, _IN_OUTCOMES))
    answered = sum(one.outcomes.answered for one in untold if one.outcomes)
    total["answered"] += _take(total, _LIKELY_MENDED, answered)
    return Outcomes(**{name: max(count, 0) for name, count in total.items()})


def _retries(batches: Sequence[Batch]) -> tuple[list[Batch], list[Batch]]:
    """The retries that say which requests they took, without those that came to nothing; and the others."""
    retries = [one for one in batches if one.retry_of]
    told = [one for one in retries if one.retried and one.state not in (State.REJECTED, State.GONE)]
    return told, [one for one in retries if not one.retried]


def _taken(retries: Sequence[Batch | Part], batches: Sequence[Batch], names: Mapping[str, str]) -> Counter[str]:
    """How many requests were sent again of those that are counted, by the `names` of their kinds."""
    counted = {one.ref for one in batches}
    taken = Counter[str]()
    for one in retries:
        if one.retry_of in counted:
            for kind, count in one.retried.items():
                taken[names.get(kind, kind)] += count
    return taken


def _take(total: Counter[str], kinds: Iterable[str], most: int) -> int:
    """Takes up to `most` from these kinds, the first ones first; how many it took."""
    left = most
    for kind in kinds:
        taken = min(total[kind], left)
        total[kind] -= taken
        left -= taken
    return most - left


def _succeeded(batch: Batch) -> int:
    return batch.request_counts.succeeded


def _running(batch: Batch) -> int:
    """The number of its requests that have not ended yet, as far as the API says."""
    if batch.ended_at or batch.state not in UNDER_WAY | UNSETTLED:
        return 0
    return batch.requests - batch.request_counts.done


def to_send(snapshot: Snapshot) -> Iterator[Submission]:
    """Submissions whose first waiting part may be sent now."""
    free = (one for one in snapshot.submissions.values() if one.waiting and not (one.stopped or one.urgent))
    for submission, ours in _with_members(snapshot, free):
        if not _held(ours, submission) and too_dear(submission, ours) is None:
            yield submission


def _held(ours: Sequence[Batch], submission: Submission) -> bool:
    """Whether the rest must wait: for the canary's answers, or for a batch that is not known to be accepted."""
    if any(batch.state in (State.SUBMITTING, State.UNCONFIRMED) for batch in ours):
        return True
    step = [batch for batch in ours if batch.step == submission.step]
    alone = submission.canary and submission.waiting[0].number == 2 and len(step) < 2
    return alone and not any(clean(batch) for batch in step)  # a forgotten canary has not shown that all is well


def clean(batch: Batch) -> bool:
    """Whether a batch is here with an answer to each request."""
    return batch.state is State.RETRIEVED and not batch.unanswered


def spoiled_canaries(snapshot: Snapshot) -> Iterator[tuple[Submission, Batch]]:
    """Canaries that are over and did not fully succeed, while the rest still waits."""
    return ((submission, batch) for submission, batch in _canaries(snapshot) if not clean(batch))


def clean_canaries(snapshot: Snapshot) -> Iterator[tuple[Submission, Batch]]:
    """Canaries that fully succeeded as far as is known, while the rest still waits."""
    canaries = _canaries(snapshot)
    return ((submission, batch) for submission, batch in canaries if clean(batch) and not submission.urgent)


def _canaries(snapshot: Snapshot) -> Iterator[tuple[Submission, Batch]]:
    waiting = (one for one in snapshot.submissions.values() if one.canary and one.waiting and not one.stopped)
    for submission, ours in _with_members(snapshot, waiting):
        step = [batch for batch in ours if batch.step == submission.step]
        if any(part.retry_of for part in submission.waiting):  # what is left of it is still to be sent at once
            continue
        step = _as_one(step) if submission.urgent else step
        if len(step) == 1 and step[0].state in (State.RETRIEVED, State.REJECTED, State.GONE) and not step[0].overdue:
            yield submission, step[0]


def _as_one(step: Sequence[Batch]) -> list[Batch]:
    """A canary whose rest was sent at once, with the outcomes of both."""
    first = [batch for batch in step if not batch.retry_of]
    return [replace(first[0], outcomes=outcomes(step, ()) or first[0].outcomes)] if len(first) == 1 else list(step)


def too_dear_to_send(snapshot: Snapshot) -> Iterator[tuple[Submission, float]]:
    """Submissions whose limit was lowered below what they can cost with the parts that wait, and what that is."""
    limited = (one for one in snapshot.submissions.values() if one.waiting and one.max_cost is not None)
    for submission, ours in _with_members(snapshot, limited):
        if (most := too_dear(submission, ours)) is not None:
            yield submission, most


def why_stopped(submission: Submission, canary: Batch, now: datetime) -> Trouble:
    """The trouble of a submission whose canary did not fully succeed."""
    failed = canary.unanswered or canary.requests
    left = sum(part.requests for part in submission.waiting)
    which = "The first request" if canary.requests == 1 else f"{failed} of the first {number(canary.requests)} requests"
    return Trouble(
        f"{which} did not succeed, so the other {number(left)} were not sent.",
        f"batchtui show {canary.label} says why. Fix the requests and submit them again. Or run batchtui retry "
        f"{canary.label}; once its answers are here, run it again to send the rest.",
        now,
        Unanswered.code,
    )


def stopped_by_canary(submission: Submission) -> bool:
    """Whether parts wait for a canary that did not fully succeed."""
    trouble = submission.trouble.code if submission.trouble else ""
    waits = submission.stopped and submission.waiting and not submission.urgent
    return bool(waits) and submission.canary and trouble == Unanswered.code


def _answered(submission: Submission, ours: Sequence[Batch]) -> list[Batch]:
    """The batches of the present step if all are retrieved and no part is still to be sent; else none."""
    return [] if submission.waiting else _retrieved(ours, submission.step)


def _retrieved(ours: Sequence[Batch], step: int) -> list[Batch]:
    """The batches of a step if all of them are retrieved; else none.

    A retry that was rejected or is gone does not hold up the step. One that is overdue does: the rest is to be sent.
    """
    over = {State.REJECTED, State.GONE}
    left = [batch for batch in ours if batch.step == step and not (batch.retry_of and batch.state in over)]
    here = all(batch.state is State.RETRIEVED and not batch.overdue for batch in left)
    return left if left and here else []


def undone(submission: Submission, batches: Sequence[Batch]) -> list[int]:
    """The indexes of the outputs that are not done, or were done before the newest of these answers arrived."""
    newest = max((one.retrieved_at for one in batches if one.retrieved_at), default=None)
    return [
        place
        for place, output in enumerate(submission.outputs)
        if output.done_at is None or (newest and output.done_at < newest)
    ]


def outputs_due(snapshot: Snapshot) -> Iterator[tuple[Submission, list[Batch]]]:
    """Submissions whose answers are all here but not yet in all their outputs, with the batches of those answers."""
    going = (one for one in snapshot.submissions.values() if one.outputs and not one.stopped)
    for submission, ours in _with_members(snapshot, going):
        batches = _answered(submission, ours)
        if batches and undone(submission, batches):
            yield submission, batches


def late_due(snapshot: Snapshot) -> Iterator[tuple[Submission, list[Batch]]]:
    """Submissions that have a retry of an earlier step whose answers are here but not yet in its outputs, with all
    batches of that step."""
    going = (one for one in snapshot.submissions.values() if one.step and not one.stopped)
    for submission, ours in _with_members(snapshot, going):
        for step in sorted({one.step for one in ours if one.step < submission.step and pending(one)}):
            if batches := _retrieved(ours, step):
                yield submission, batches


def pending(batch: Batch) -> list[Output]:
    """The outputs that a retry of an earlier step has not been written to yet."""
    return [one for one in batch.outputs if one.done_at is None]


def step_due(snapshot: Snapshot) -> Iterator[tuple[Submission, list[Batch]]]:
    """Submissions whose next step can be built: the present one is answered and its outputs are done."""
    going = (one for one in snapshot.submissions.values() if one.steps and not one.stopped)
    for submission, ours in _with_members(snapshot, going):
        batches = _answered(submission, ours)
        if batches and not undone(submission, batches) and not _held_before(submission, batches):
            yield submission, batches


def _held_before(submission: Submission, batches: Sequence[Batch]) -> bool:
    """Whether these same answers were already found not to allow the next step."""
    at = submission.held_at
    return bool(at and all(one.retrieved_at and one.retrieved_at <= at for one in batches))


def can_be_finished(snapshot: Snapshot, submission: Submission) -> bool:
    """Whether there is something left to send, write or build, and nothing of it is under way elsewhere."""
    if submission.waiting:
        return True
    batches = _answered(submission, members(snapshot, submission))
    return bool(batches and (submission.steps or undone(submission, batches)))


def in_order(batches: Sequence[Batch]) -> list[Batch]:
    """Parts in the order of their rows, then the retries."""
    return sorted(batches, key=lambda one: (bool(one.retry_of), one.part, one.submitted_at))
