"""What a job touches besides the files in its own folder. A job from elsewhere may ask for anything, so it is shown."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from batchtui.core.batches.batch import Output
from batchtui.core.jobs.job import Job, Step, place
from batchtui.core.jobs.toml_lines import shown
from batchtui.core.paths import target_path
from batchtui.core.requests.touch import Touch
from batchtui.core.toml import Field


def touches(job: Job) -> tuple[Touch, ...]:
    """Every file outside the job's folder that any step reads or writes, and every program, wherever that is.

    Paths are compared and shown as what they lead to: `~`, `..` and links hide nothing.
    """
    root = Path(os.path.realpath(job.folder))
    found = (one for number, step in enumerate(job.steps) for one in _of_step(job, step, number))
    outside = [one for one in found if one.does == "runs" or not Path(one.what).is_relative_to(root)]
    return tuple(dict.fromkeys(outside))


def _of_step(job: Job, step: Step, number: int) -> Iterator[Touch]:
    at: Field = ("step", number - 1) if number else ()
    folder = Path(job.folder)
    if step.source:
        yield Touch("reads", os.path.realpath(place(folder, step.source.path)), shown((*at, "source", "path")))
    for name, prompt in (("system_file", step.request.system), ("user_file", step.request.user)):
        if prompt and prompt.file:
            yield Touch("reads", os.path.realpath(place(folder, prompt.file)), shown((*at, "request", name)))
    for index, output in enumerate(step.outputs):
        field = shown((*at, "output", index))
        if output.path:
            yield Touch("writes", _written(output), field)
        if output.kind == "command":
            yield Touch("runs", _program(output, job.folder), field)


def _written(output: Output) -> str:
    """Where it writes. A database is opened in place, so a link leads to it; other files replace a link."""
    target = target_path(output.path)
    return os.path.realpath(target) if output.kind == "sqlite" else str(target)


def _program(output: Output, ours: str) -> str:
    """The command line, with the full path of the program, and where it runs if that is not the job's folder."""
    program, *arguments = output.options["command"]
    folder = Path(output.options["folder"])
    found = shutil.which(str(folder / program) if "/" in program else program)
    line = shlex.join([found or program, *arguments])
    real = Path(os.path.realpath(folder))
    return line if real.is_relative_to(os.path.realpath(ours)) else f"{line} in {real}"
