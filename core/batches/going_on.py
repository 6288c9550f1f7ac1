"""Whether anything of a submission, or of the whole state, follows by itself. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from batchtui.core.batches.batch import UNDER_WAY, Batch, Snapshot, State, Submission
from batchtui.core.batches.deadline import rests_due, to_answer
from batchtui.core.batches.plan import late_due, outputs_due, spoiled_canaries, step_due, to_send


def can_go_on(snapshot: Snapshot) -> bool:
    """Whether a submission can make its next move with what is here, without asking the API how far its batches are."""
    moves = (to_send, spoiled_canaries, outputs_due, late_due, step_due, rests_due, to_answer)
    return any(any(True for _ in move(snapshot)) for move in moves)


def goes_on(snapshot: Snapshot, submission: Submission, batches: Sequence[Batch]) -> bool:
    """Whether anything of a submission is under way or follows automatically. Trouble can hold back the next step."""
    if any(one.state in UNDER_WAY | {State.ENDED, State.SUBMITTING} for one in batches):
        return True
    alone = Snapshot(snapshot.revision, tuple(batches), {submission.ref: submission})
    held = submission.trouble and not (submission.waiting or any(outputs_due(alone)))
    return not held and can_go_on(alone)
