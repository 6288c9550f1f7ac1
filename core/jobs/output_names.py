"""Finds files that answers would write over, by the names that a pattern makes of the rows, before they are sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.jobs.job import Job
from batchtui.core.jobs.own_files import own_files
from batchtui.core.jobs.toml_lines import shown
from batchtui.core.outputs import files
from batchtui.core.outputs.guard import Guard
from batchtui.core.outputs.kinds import failed_path
from batchtui.core.outputs.when import fits, wanted
from batchtui.core.paths import target_path
from batchtui.core.requests.problems import Problem
from batchtui.core.text import inert_line


class _Keyed(Struct, gc=False):
    custom_id: str
    key: str
    row: dict[str, Any] = {}


_keyed = msgspec.json.Decoder(_Keyed).decode


class _Placed(Struct, frozen=True):
    """An output, where it goes, what it must not replace, and how messages call it."""

    output: Output
    target: Path
    guard: Guard
    step: str
    name: str
    number: int


def name_problems(job: Job, job_file: str, keys: Path) -> list[Problem]:
    """Problems with the names of the files that the steps with the first step's rows write.

    The rows are read only if there is something in the folder of such files that they could write over.
    """
    placed = list(_placed(job, job_file))
    problems = []
    for at, one in enumerate(placed):
        beside = [other for other in placed if other is not one and other.target.parent == one.target.parent]
        if one.output.kind != "files" or not (beside or one.guard.is_near(one.target.parent)):
            continue
        names = _names(one, keys)
        try:
            one.guard.refuse(one.target.parent, names)
        except BadInput as error:
            problems.append(Problem(None, one.name, error.message, error.hint, "own", one.step))
        claimed = ((other.name, _of(other, one, keys, earlier=other in placed[:at])) for other in beside)
        taken = {name.casefold(): other for other, names_of in claimed for name in names_of}
        if found := next((name for name in names if name.casefold() in taken), None):
            message = f"{one.name} and {taken[found.casefold()]} would both write {inert_line(found)}."
            problems.append(Problem(None, one.name, message, "Give each output its own folder.", "doubled", one.step))
    return problems


def _placed(job: Job, job_file: str) -> Iterator[_Placed]:
    for number, step in enumerate(job.steps):
        if number and step.source:  # other rows, which are not known yet
            return
        at = ("step", number - 1, "output") if number else ("output",)
        for index, output in enumerate(step.outputs):
            if output.path:
                target = target_path(output.path)
                guard = own_files(job, number, job_file, target)
                yield _Placed(output, target, guard, f"step {step.name}", shown((*at, index)), number)


def _names(placed: _Placed, keys: Path) -> list[str]:
    """The names of the files of the rows that an output takes."""
    made = files.namer(placed.target)
    values = wanted(placed.output.options.get("when") or {})
    with keys.open("rb") as lines:
        rows = (_keyed(line) for line in lines)
        names = (made(one.custom_id, one.key, one.row) for one in rows if fits(one.row, values))
        return [name for name in names if name]


def _of(other: _Placed, one: _Placed, keys: Path, *, earlier: bool) -> list[str]:
    """The names that another output claims, as far as they matter: the same content may be written twice."""
    left = failed_path(other.output)
    claimed = [left.name] if left else []
    if other.output.kind != "files":
        return [*claimed, other.target.name]
    alike = other.number == one.number and _content(other.output) == _content(one.output)
    return [*claimed, *_names(other, keys)] if earlier and not alike else claimed


def _content(output: Output) -> str:
    return str(output.options.get("content", "text"))
