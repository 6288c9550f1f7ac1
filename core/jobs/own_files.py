"""The files that a job is made of: the job file, its templates, its sources. None of its outputs may replace one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from batchtui.core.batches.batch import Submission
from batchtui.core.files import is_there
from batchtui.core.jobs.job import Job, Source, place
from batchtui.core.jobs.late_answers import read_job_of
from batchtui.core.outputs.guard import Guard
from batchtui.core.paths import Paths
from batchtui.core.results.answers import Answers

SUBMITTED = "the file that was submitted"

JOURNALS = ("-wal", "-journal", "-shm")
"""What follows the name of a SQLite database in the names of the files that SQLite writes beside it."""


def own_files(job: Job, number: int, job_file: str, target: Path, answers: Answers | None = None) -> Guard:
    """What the outputs of a step must leave alone; `target` is where the one in question writes.

    A source of a later step is not among them: an earlier step may have to write it. Of a folder that rows come from
    and that the target is in, the files count that made the rows of `answers`; without them, all that are there now.
    """
    files = {_real(Path(job_file)): "the job file"} if job_file else {}
    databases: dict[Path, str] = {}
    folder = Path(job.folder)
    for step in job.steps:
        for name, prompt in (("system_file", step.request.system), ("user_file", step.request.user)):
            if prompt and prompt.file:
                files[_real(place(folder, prompt.file))] = f"the {name} of the job"
    sources = [step.source for step in job.steps[: number + 1] if step.source]
    for source in sources:
        path = _real(place(folder, source.path))
        if source.kind == "sqlite":
            databases[path] = "the source of the rows"
            files |= {path.with_name(path.name + one): "the journal of the source" for one in JOURNALS}
        elif source.kind != "folder":
            files[path] = "the source of the rows"
        elif target.is_relative_to(path) and (answers is None or source is sources[-1]):
            found = _listed(source, path) if answers is None else _of_rows(path, answers)
            files |= dict.fromkeys(found, "a file that the rows come from")
    return Guard(files, databases)


def own_files_of(paths: Paths, submission: Submission, step: int, target: Path, answers: Answers | None) -> Guard:
    """The same for a submission, of a job or of a file of requests. Raises StateError if the job cannot be read."""
    if is_there(paths.job(submission.ref)):
        job = read_job_of(paths, submission.ref, submission.name)
        return own_files(job, step, submission.input, target, answers)
    return Guard({_real(Path(submission.input)): SUBMITTED} if submission.input else {})


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _listed(source: Source, folder: Path) -> Iterator[Path]:
    try:
        yield from (one for one in folder.glob(source.glob) if one.is_file())
    except (OSError, ValueError, NotImplementedError):  # the source itself says what is wrong with it
        return


def _of_rows(folder: Path, answers: Answers) -> Iterator[Path]:
    """The paths in the rows of a folder of files."""
    return (folder / said for answer in answers if isinstance(said := answer.row.get("path"), str))
