"""Finds what stands where a job writes and would not be replaced, before the answers are paid for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from batchtui.core.errors import BadInput
from batchtui.core.jobs.job import Job
from batchtui.core.jobs.output_names import Placed, names_of, placed
from batchtui.core.outputs.kinds import failed_path
from batchtui.core.outputs.target import only_a_file
from batchtui.core.requests.problems import Problem
from batchtui.core.text import inert_line, plural

_MOVE = "Move away what is there, write to another place, or set overwrite = true."
_ONLY_NEW = (
    "Move away what is there, or write to another place, such as a file for each row: out/{{ key }}.md. With overwrite "
    "= true the answers of the new rows replace it."
)


def in_the_way(job: Job, job_file: str, keys: Path) -> list[Problem]:
    """A problem for each output whose place is taken. A database takes more rows, so it never is.

    An output that has run before replaces what it wrote, but a job that is sent again is another run. The names that a
    pattern makes are known for the steps that have the first step's rows, which `keys` holds.
    """
    hint = _ONLY_NEW if job.new_only else _MOVE
    problems = []
    for one in placed(job, job_file):
        if one.output.kind == "sqlite":
            continue
        names = list(_there(one, keys))
        if not one.output.options.get("overwrite") and names:
            path, more = inert_line(str(one.target.parent / min(names))), len(names) - 1
            said = f"{path} and {plural(more, 'other file')} already exist." if more else f"{path} already exists."
            problems.append(Problem(None, one.name, said, hint, "exists", one.step))
        elif wrong := next(_no_files(one.target.parent, names), None):
            problems.append(Problem(None, one.name, wrong.message, wrong.hint, "exists", one.step))
    return problems


def _there(one: Placed, keys: Path) -> Iterator[str]:
    """The names that an output may write and that are taken, by links to nothing as well."""
    folder, left = one.target.parent, failed_path(one.output)
    if left and one.output.kind != "files" and os.path.lexists(left):  # rows of every night share a folder and its list
        yield left.name
    if one.output.kind != "files":
        yield from [one.target.name] if os.path.lexists(one.target) else []
    elif one.own_rows:
        try:
            with os.scandir(folder) as entries:
                taken = {entry.name.casefold() for entry in entries}
        except OSError:  # no folder yet, or writing to it says why not
            return
        names = names_of(one, keys) if taken else []
        yield from (name for name in names if name.casefold() in taken and os.path.lexists(folder / name))


def _no_files(folder: Path, names: list[str]) -> Iterator[BadInput]:
    for name in names:
        try:
            only_a_file(folder / name)
        except BadInput as error:
            yield error
