"""Finds outputs that would write to one place, or over what the job is made of, before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.jobs.job import Job
from batchtui.core.jobs.own_files import JOURNALS, own_files
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
        self._written: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def taken(self, output: Output, step: int, name: str) -> tuple[str, str] | None:
        """What is wrong with a further output and what to do, None if all is well; from then on it has its place."""
        target, left = target_path(output.path), kinds.failed_path(output)
        place = _place(target)
        rows = (place, repr(output.options.get("when"))) if output.kind == "files" else _rows(output, place, step)
        first = self._tables.setdefault(rows, name) if rows else name
        if output.kind != "files" and first == name:
            first = self._claim(place, output, name)
        if first != name:
            return f"{name} would overwrite what {first} wrote: {inert_line(output.path)}", _OWN_PLACE
        for journal in _journals(output, target):
            if (first := self._claim(_place(journal), output, name)) != name:
                return f"{name} would write its journal where {first} writes: {inert_line(str(journal))}", _OWN_PLACE
        if left and (first := self._claim(_place(left), output, name)) != name:
            return f"{name} would keep what failed in a file of {first}: {inert_line(str(left))}", _FAILED
        return self._in_a_folder(name, target, [left] if output.kind == "files" else [target, left])

    def _in_a_folder(self, name: str, target: Path, files: list[Path | None]) -> tuple[str, str] | None:
        """The same for an output that needs a folder where another writes a file, or the other way round."""
        wrong = None
        for path in filter(None, files):
            first = self._folders.get(_plain(path))
            wrong = wrong or (first and f"{inert_line(str(path))} would be a file of {name}, and a folder of {first}")
            self._written.setdefault(_plain(path), name)
        for folder in target.parents:
            first = self._written.get(_plain(folder))
            wrong = wrong or (first and f"{inert_line(str(folder))} would be a file of {first}, and a folder of {name}")
            self._folders.setdefault(_plain(folder), name)
        return (wrong, _OWN_PLACE) if wrong else None

    def _claim(self, place: object, output: Output, name: str) -> str:
        """Whose a file is: that of the first which claims it, but several outputs may write rows to one database."""
        first, kind = self._files.setdefault(place, (name, output.kind))
        return name if kind == output.kind == "sqlite" else first


def _place(path: Path) -> object:
    """What two names of one file have in common."""
    return identity(path) or _plain(path)


def _plain(path: Path) -> str:
    return str(path).casefold()


def _journals(output: Output, target: Path) -> Iterator[Path]:
    if output.kind == "sqlite":
        yield from (target.with_name(target.name + ending) for ending in JOURNALS)


def _rows(output: Output, place: object, step: int) -> tuple[object, ...] | None:
    """The table that an output makes; None if it makes none, or updates rows that are there."""
    options = output.options
    if output.kind != "sqlite" or options.get("mode") == "update" or "set" in options or "where" in options:
        return None
    return place, options.get("table"), step
