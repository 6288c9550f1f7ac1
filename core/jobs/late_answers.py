"""Answers that come to a step when a later one is built already: what was retried goes where the step's others went."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Output
from batchtui.core.errors import StateError
from batchtui.core.paths import Paths
from batchtui.core.state.store import Transaction
from batchtui.core.text import inert_line

if TYPE_CHECKING:
    from batchtui.core.jobs.job import Job


def read_job_of(paths: Paths, submission: str, name: str) -> Job:
    """The job of a submission as it was when it was submitted. Raises StateError."""
    from batchtui.core.jobs.job import Job

    path = paths.job(submission)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Job)
    except (OSError, ValueError) as error:
        raise StateError(
            f"The job of {inert_line(name)} in {path} cannot be read, so its next step cannot be built.",
            "Put the file back from a copy, or submit the remaining step as a job of its own.",
        ) from error


def late_outputs(paths: Paths, first: Batch) -> tuple[Output, ...]:
    """The outputs of a batch's step, all of them still to be done; none where it is of no job. For a thread.

    Raises:
        StateError: the job cannot be read.
    """
    if not paths.job(first.submission).exists():
        return ()
    return read_job_of(paths, first.submission, first.name).steps[first.step].outputs


def note_late(batches: Collection[Batch], done: Output) -> Callable[[Transaction], None]:
    """Notes an output that was done with late answers on every batch of their step."""

    def write(tx: Transaction) -> None:
        for batch in batches:
            if current := tx.batch(batch.ref):
                tx.put(replace(current, outputs=_in_place(current.outputs, done)))
        submission = tx.submission(next(iter(batches)).submission)
        if submission and submission.trouble and not (submission.held_at or submission.waiting):
            tx.put_submission(replace(submission, trouble=None))

    return write


def _in_place(outputs: Sequence[Output], done: Output) -> tuple[Output, ...]:
    places = [_place(one) for one in outputs]
    if _place(done) not in places:
        return (*outputs, done)
    return tuple(done if place == _place(done) else one for one, place in zip(outputs, places, strict=True))


def _place(output: Output) -> tuple[str, str, str]:
    """What tells an output from others of its step, done or not."""
    options = {name: value for name, value in output.options.items() if name != "exit_code"}
    return output.kind, output.path, str(options)
