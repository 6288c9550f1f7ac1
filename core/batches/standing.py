"""What stands: trouble that waits for a person, and so is said by every run until it is mended. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from batchtui.core.batches.batch import Batch, Snapshot, State, Submission, Trouble
from batchtui.core.batches.output_records import trouble_of
from batchtui.core.batches.submissions import with_submission
from batchtui.core.errors import Failure, RowsUnmatched, said_before


def standing(snapshot: Snapshot, only: Collection[str] | None = None) -> Iterator[Failure]:
    """What waits for a person, one failure for each thing: what holds back a job, answers that did not reach their
    place, results that do not arrive. `only` names the submissions to look at; None means all."""
    said: set[tuple[str, int, str]] = set()
    for batch in with_submission(snapshot):
        submission = snapshot.submissions.get(batch.submission)
        if submission is None or (only is not None and submission.ref not in only):
            continue
        for trouble in filter(None, (batch.trouble, trouble_of(batch.outputs, batch.label))):
            about = (submission.ref, batch.step, trouble.message)
            if about not in said and _stands(trouble, batch, submission):
                said.add(about)
                yield Failure(batch.ref, said_before(trouble.code, trouble.message, trouble.hint))


def _stands(trouble: Trouble, batch: Batch, submission: Submission) -> bool:
    if trouble.code == RowsUnmatched.code:
        return True
    same = submission.trouble and trouble.message == submission.trouble.message
    if not same or submission.by_hand:
        return batch.state is State.ENDED
    if batch.state is State.REJECTED:  # if nothing of it was bought, there is nothing left to do but to read why
        return bool(submission.waiting) or len(submission.batches) > 1
    return bool(submission.stopped or submission.held_at or submission.urgent or not submission.waiting)


def found_unfit(before: Snapshot, after: Snapshot) -> bool:
    """Whether outputs found answers unfit that were here before, and of use as far as was known."""
    known = {one.ref: one.outcomes for one in before.batches if one.outcomes}
    return any(one.outcomes and one.ref in known and one.outcomes.unfit > known[one.ref].unfit for one in after.batches)
