"""What a cycle changed, as lines of the log. Pure: the state before and after tells, so nothing is said twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from batchtui.core.batches.batch import Batch, Snapshot, State, Submission, Trouble
from batchtui.core.batches.output_records import trouble_of
from batchtui.core.batches.submissions import not_over
from batchtui.core.desk.outages import Line
from batchtui.core.errors import ApiError, NotFound, OutcomeUnknown, Unreachable
from batchtui.core.sending.look import never_accepted
from batchtui.core.text import inert_line

_VARIES = frozenset({ApiError.code, NotFound.code, OutcomeUnknown.code, Unreachable.code})
"""What goes wrong on the way says other words each time: the code tells whether it is the same."""


def news(before: Snapshot, after: Snapshot) -> Iterator[Line]:
    """An ERROR for each thing that went wrong since, with what to do; an INFO for each that is well again."""
    if before is after:
        return
    known = {one.ref: one for one in before.batches}
    for batch in after.batches:
        was = known.get(batch.ref)
        whole = after.submissions.get(batch.submission)
        if was is not batch and not (whole and whole.trouble and batch.trouble == whole.trouble):  # said below
            label = f"{batch.label} ({inert_line(batch.name, 60)})"
            yield from _about(label, _of_batch(was) if was else None, _of_batch(batch))
            if batch.state is State.GONE and was and was.state is not State.GONE:
                yield Line(logging.ERROR, f"{label}: its results are no longer available at the API.")
    for ref, submission in after.submissions.items():
        earlier = before.submissions.get(ref)
        if earlier is not submission:
            label = f"{inert_line(submission.name, 60)} ({ref})"
            yield from _about(label, _of_submission(earlier) if earlier else None, _of_submission(submission))
            yield from _about(label, _unmatched(earlier) if earlier else None, _unmatched(submission))


def _of_batch(batch: Batch) -> Trouble | None:
    """The trouble that a person must know of; not that what was just sent is not in the list yet."""
    if batch.state is State.REJECTED or (batch.state is State.UNCONFIRMED and not never_accepted(batch)):
        return batch.trouble if batch.trouble and batch.trouble.code else None
    return batch.trouble


def _of_submission(submission: Submission) -> Trouble | None:
    """The same; not that what runs without a batch goes on only when its user says so."""
    trouble = submission.trouble
    waits = trouble is not None and trouble.message == not_over("", trouble.at).message
    return None if waits else trouble


def _unmatched(submission: Submission) -> Trouble | None:
    return trouble_of(submission.outputs, inert_line(submission.name, 60))


def _about(label: str, was: Trouble | None, trouble: Trouble | None) -> Iterator[Line]:
    if trouble and not (was and _sign(was) == _sign(trouble)):
        said = f"{inert_line(trouble.message, 1000)} {inert_line(trouble.hint, 1000)}".rstrip()
        yield Line(logging.ERROR, f"{label}: {said}")
    elif was and trouble is None:
        yield Line(logging.INFO, f"{label}: well again")


def _sign(trouble: Trouble) -> str:
    return trouble.code if trouble.code in _VARIES else trouble.message
