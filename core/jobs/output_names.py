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
from batchtui.core.jobs.own_files import JOURNALS, own_files
from batchtui.core.jobs.toml_lines import shown
from batchtui.core.outputs import files
from batchtui.core.outputs.guard import Guard
from batchtui.core.outputs.kinds import failed_path
from batchtui.core.outputs.when import fits, wanted
from batchtui.core.paths import target_path
from batchtui.core.requests.problems import Problem
from batchtui.core.text import inert_line

_OWN_FOLDER = "Give each output its own folder."


class _Keyed(Struct, gc=False):
    custom_id: str
    key: str
    row: dict[str, Any] = {}


_keyed = msgspec.json.Decoder(_Keyed).decode


class Placed(Struct, frozen=True):
    """An output, where it goes, what it must not replace, and how messages call it. `own_rows`: its rows are those of
    the first step, so that the names which a pattern makes are known."""

    output: Output
    target: Path
    guard: Guard
    step: str
    name: str
    number: int
    own_rows: bool


def name_problems(job: Job, job_file: str, keys: Path) -> list[Problem]:
    """Problems with the names of the files that the steps with the first step's rows write.

    The rows are read only if there is something in the folder of such files that they could write over.
    """
    every = [one for one in placed(job, job_file) if one.own_rows]
    problems = []
    for at, one in enumerate(every):
        folder = one.target.parent
        beside = [other for other in every if other is not one and other.target.parent == folder]
        inside = _folders_in(folder, every)
        if one.output.kind != "files" or not (beside or inside or one.guard.is_near(folder)):
            continue
        names = names_of(one, keys)
        try:
            one.guard.refuse(folder, names)
        except BadInput as error:
            problems.append(Problem(None, one.name, error.message, error.hint, "own", one.step))
        claimed = ((other.name, _of(other, one, keys, earlier=other in every[:at])) for other in beside)
        taken = {name.casefold(): other for other, theirs in claimed for name in theirs}
        if found := next((name for name in names if name.casefold() in taken), None):
            other = taken[found.casefold()]
            message = f"{one.name} and {other} would both write {inert_line(found)}."
            problems.append(Problem(None, one.name, message, _OWN_FOLDER, "doubled", one.step))
        elif found := next((name for name in names if name.casefold() in inside), None):
            message = f"{inert_line(found)} would be a file of {one.name}, and a folder of {inside[found.casefold()]}."
            problems.append(Problem(None, one.name, message, _OWN_FOLDER, "doubled", one.step))
    return problems


def placed(job: Job, job_file: str) -> Iterator[Placed]:
    own_rows = True
    for number, step in enumerate(job.steps):
        own_rows = own_rows and not (number and step.source)
        at = ("step", number - 1, "output") if number else ("output",)
        for index, output in enumerate(step.outputs):
            if output.path:
                target = target_path(output.path)
                guard = own_files(job, number, job_file, target)
                yield Placed(output, target, guard, f"step {step.name}", shown((*at, index)), number, own_rows)


def names_of(one: Placed, keys: Path) -> list[str]:
    """The names of the files of the rows that an output takes."""
    made = files.namer(one.target)
    values = wanted(one.output.options.get("when") or {})
    with keys.open("rb") as lines:
        rows = (_keyed(line) for line in lines)
        names = (made(one.custom_id, one.key, one.row) for one in rows if fits(one.row, values))
        return [name for name in names if name]


def _folders_in(folder: Path, every: list[Placed]) -> dict[str, str]:
    """The folders in a folder that outputs write to, by name, each with the name of one of them."""
    found = {}
    for one in every:
        if one.target.parent != folder and one.target.is_relative_to(folder):
            found[one.target.relative_to(folder).parts[0].casefold()] = one.name
    return found


def _of(other: Placed, one: Placed, keys: Path, *, earlier: bool) -> list[str]:
    """The names that another output claims, as far as they matter: the same content may be written twice."""
    left = failed_path(other.output)
    claimed = [left.name] if left else []
    if other.output.kind != "files":
        journals = JOURNALS if other.output.kind == "sqlite" else ()
        return [*claimed, other.target.name, *(other.target.name + ending for ending in journals)]
    alike = other.number == one.number and _content(other.output) == _content(one.output)
    return [*claimed, *names_of(other, keys)] if earlier and not alike else claimed


def _content(output: Output) -> str:
    return str(output.options.get("content", "text"))
