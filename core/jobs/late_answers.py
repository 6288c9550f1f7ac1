"""The answers of earlier steps, for those who build a later one; and those that arrive after it was built: retried
answers go where the others of their step went."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, Output, Snapshot, Submission
from batchtui.core.errors import StateError
from batchtui.core.files import is_there
from batchtui.core.paths import Paths
from batchtui.core.results.answers import Answers, files_of
from batchtui.core.state.store import Transaction
from batchtui.core.text import inert_line

if TYPE_CHECKING:
    from batchtui.core.jobs.job import Job


def read_job_of(paths: Paths, submission: str, name: str) -> Job:
    """The job of a submission, as it was when submitted. Raises StateError."""
    from batchtui.core.jobs.job import Job

    path = paths.job(submission)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Job)
    except (OSError, ValueError, RecursionError) as error:
        raise StateError(
            f"The job of {inert_line(name)} in {path} cannot be read, so its next step cannot be built.",
            "Restore the file from a copy, or submit the remaining step as a separate job.",
        ) from error


def step_name(paths: Paths, submission: Submission, number: int) -> str:
    """The name of a step, whose number counts from 1; empty if it is not known."""
    try:
        return read_job_of(paths, submission.ref, submission.name).steps[number - 1].name
    except (StateError, IndexError):
        return ""


def late_outputs(paths: Paths, submission: str, name: str, step: int, *, of_job: bool) -> tuple[Output, ...]:
    """The outputs of a step, all still to be done; none if the submission is not a job. Run it in a thread.

    Raises:
        StateError: the job cannot be read, or is gone although this is one (`of_job`).
    """
    if not of_job and not is_there(paths.job(submission)):
        return ()
    return read_job_of(paths, submission, name).steps[step].outputs


def note_late(batches: Collection[Batch], done: Output) -> Callable[[Transaction], None]:
    """Records an output that was done with late answers, on every batch of their step."""

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
    """What distinguishes an output from the others of its step, whether done or not."""
    options = {name: value for name, value in output.options.items() if name != "exit_code"}
    return output.kind, output.path, str(options)


@contextmanager
def earlier_answers(paths: Paths, job: Job, submission: Submission, snapshot: Snapshot) -> Iterator[dict[str, Answers]]:
    """The answers of every step so far, by step name."""
    ours = plan.members(snapshot, submission)
    with ExitStack() as stack:
        yield {
            job.steps[step].name: stack.enter_context(
                Answers.open(files_of(paths, [one for one in ours if one.step == step]))
            )
            for step in range(submission.step + 1)
        }
