"""Finds outputs that would write to one place, or over what the job is made of, before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.jobs.job import Job
from batchtui.core.jobs.own_files import own_files
from batchtui.core.jobs.toml_lines import shown
from batchtui.core.outputs import kinds
from batchtui.core.outputs.guard import identity
from batchtui.core.paths import target_path
from batchtui.core.text import inert_line
from batchtui.core.toml import Field

_OWN_PLACE = "Give each output its own place."
_FAILED = "Put them into different folders, or add a different fixed part to each name: {key}_notes.md"


class Misplaced(NamedTuple):
    """An output that cannot go where it is to go, and why."""

    field: Field
    kind: str
    message: str
    hint: str


def misplaced(job: Job, job_file: str) -> Iterator[Misplaced]:
    """Every output of a job that would write over a file of the job, or where another output writes."""
    places = _Places()
    for number, step in enumerate(job.steps):
        at: Field = ("step", number - 1, "output") if number else ("output",)
        for index, output in enumerate(step.outputs):
            if not output.path:
                continue
            field = (*at, index)
            try:
                kinds.refuse_own(output, own_files(job, number, job_file, target_path(output.path)))
            except BadInput as error:
                yield Misplaced((*field, "path"), "own", error.message, error.hint)
            if said := places.taken(output, number, shown(field)):
                yield Misplaced((*field, "path"), "doubled", *said)


class _Places:
    """The places of the outputs seen so far."""

    def __init__(self) -> None:
        self._tables: dict[tuple[object, ...], str] = {}
        self._files: dict[object, tuple[str, str]] = {}

    def taken(self, output: Output, step: int, name: str) -> tuple[str, str] | None:
        """What is wrong with a further output and what to do, None if all is well; from then on it has its place."""
        target, left = target_path(output.path), kinds.failed_path(output)
        place = identity(target) or str(target).casefold()
        rows = (place, repr(output.options.get("when"))) if output.kind == "files" else _rows(output, place, step)
        first = self._tables.setdefault(rows, name) if rows else name
        if output.kind != "files" and first == name:
            first = self._claim(place, output, name)
        if first != name:
            return f"{name} would overwrite what {first} wrote: {inert_line(output.path)}", _OWN_PLACE
        if left and (first := self._claim(identity(left) or str(left).casefold(), output, name)) != name:
            return f"{name} would keep what failed in a file of {first}: {inert_line(str(left))}", _FAILED
        return None

    def _claim(self, place: object, output: Output, name: str) -> str:
        """Whose a file is: that of the first which claims it, but several outputs may write rows to one database."""
        first, kind = self._files.setdefault(place, (name, output.kind))
        return name if kind == output.kind == "sqlite" else first


def _rows(output: Output, place: object, step: int) -> tuple[object, ...] | None:
    """The table that an output makes; None if it makes none, or updates rows that are there."""
    options = output.options
    if output.kind != "sqlite" or options.get("mode") == "update" or "set" in options or "where" in options:
        return None
    return place, options.get("table"), step
