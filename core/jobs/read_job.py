"""Reads a job file (TOML) and reports all of its mistakes at once."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from batchtui.core.batches import deadline_text
from batchtui.core.batches.batch import Output
from batchtui.core.batches.beta_names import BetaName
from batchtui.core.batches.limits import MAX_REQUESTS
from batchtui.core.errors import BadInput
from batchtui.core.jobs.job import BadJob, Job, OnError, Prompt, Request, Source, SourceKind, Step, place
from batchtui.core.jobs.read_request import read_request
from batchtui.core.jobs.toml_lines import shown
from batchtui.core.jobs.toml_tables import Tables, did_you_mean
from batchtui.core.paths import is_folder
from batchtui.core.reading import read_text
from batchtui.core.text import inert_line
from batchtui.core.toml import LONGEST, Field

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
Text = Annotated[str, Meta(min_length=1)]
OutputKind = Literal["files", "jsonl", "csv", "parquet", "sqlite", "command"]

__all__ = ["BadJob", "Job", "Prompt", "Request", "Source", "Step", "read_job"]

_ENDINGS: dict[str, SourceKind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".db": "sqlite",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".parquet": "parquet",
}
_ONLY_FOR = {"query": "sqlite", "glob": "folder", "delimiter": "csv"}
_HEAD = frozenset({"kind", "path"})
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")
_KINDS_HINT = "Say which: kind = csv, jsonl, folder, sqlite or parquet (in quotes)."


class _Head(Struct, kw_only=True):
    name: Name
    on_error: OnError = "stop"
    canary: Annotated[int, Meta(ge=0, le=MAX_REQUESTS)] = 0
    split: Annotated[int, Meta(ge=0, le=MAX_REQUESTS)] = 0
    source: Any = None
    request: Any
    output: Any = None


class _JobHead(_Head, kw_only=True):
    name: Name = ""
    max_cost: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    new_only: bool = False
    betas: tuple[BetaName, ...] = ()
    deadline: str = ""
    step: Any = None


class _Source(Struct, kw_only=True):
    path: Text
    kind: SourceKind | None = None
    key: str = ""
    query: str = ""
    glob: Text = "*"
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ""


class _Output(Struct, kw_only=True):
    kind: OutputKind
    path: str = ""


def read_job(path: Path) -> Job:
    """Reads the job in a file, and its template files too, so that no part of it changes later.

    Raises:
        BadInput: it cannot be read. BadJob is a BadInput that holds everything that is wrong with it.
    """
    reading = _Reading(path)
    job = None if reading.tables.problems else reading.job()
    if job is None or reading.tables.problems:
        raise BadJob(path, reading.tables.problems)
    return job


class _Reading:
    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.folder = self.path.parent
        self.stem = _OTHER.sub("_", path.stem)[:64] or "job"
        self.tables = Tables(read_text(path, LONGEST))
        self.known: list[str] = []

    def job(self) -> Job | None:
        root = self.tables.root
        head = self.tables.take(root, _JobHead)
        name = (head.name if head else "") or self.stem
        if head and head.deadline and not deadline_text.is_well_formed(head.deadline):
            said = f'deadline is "{inert_line(head.deadline, 60)}".'
            self.tables.note(("deadline",), "wrong_value", said, deadline_text.FORMS)
        steps = [self._step(root, (), head, name)]
        for at, table in self.tables.tables(root, "step", ()):
            below = self.tables.take(table, _Head, at)
            if below and below.name in self.known:
                message, hint = f"There is already a step {below.name}.", "Give each step a different name."
                self.tables.note((*at, "name"), "doubled", message, hint)
            steps.append(self._step(table if isinstance(table, dict) else {}, at, below, below.name if below else ""))
        whole = tuple(step for step in steps if step)
        if head is None or len(whole) < len(steps):
            job = Job(name=name, folder=str(self.folder), steps=whole)
        else:
            job = Job(
                name=name,
                folder=str(self.folder),
                steps=whole,
                max_cost=head.max_cost,
                new_only=head.new_only,
                betas=head.betas,
                deadline=head.deadline,
            )
        self._misplaced(job)
        return None if head is None or len(whole) < len(steps) else job

    def _step(self, table: dict[str, Any], at: Field, head: _Head | None, name: str) -> Step | None:
        source = self._source(table["source"], (*at, "source")) if "source" in table else None
        asked = (*at, "request")
        request = read_request(self.tables, table["request"], asked, self.folder) if "request" in table else None
        outputs = tuple(self._output(one, way) for way, one in self.tables.tables(table, "output", at))
        if not at and "source" not in table:
            message = "There is no [source] to say where the rows come from."
            self.tables.note(("source",), "missing_field", message, 'Add [source] with path = "rows.csv" below it.')
        after = self.known[-1] if self.known else ""
        earlier, self.known = tuple(self.known), [*self.known, name]
        if head is None or request is None:
            return None
        step = Step(
            name=name,
            request=request,
            source=source,
            after=after,
            outputs=tuple(output for output in outputs if output),
            on_error=head.on_error,
            canary=head.canary,
            split=head.split,
        )
        self._templates(step, at, earlier)
        return step

    def _source(self, table: object, at: Field) -> Source | None:
        given = self.tables.take(table, _Source, at)
        if given is None:
            return None
        try:
            path = place(self.folder, given.path)
        except BadInput as error:
            self.tables.note((*at, "path"), "source", error.message, error.hint)
            return None
        kind = given.kind or ("folder" if is_folder(path) else _ENDINGS.get(path.suffix.lower()))
        if kind is None:
            message = f"{shown((*at, 'path'))} does not show the kind of source: {inert_line(given.path)}"
            self.tables.note((*at, "path"), "source", message, _KINDS_HINT)
            return None
        for name, only in _ONLY_FOR.items():
            if isinstance(table, dict) and name in table and kind != only:
                message = f"{shown((*at, name))} does not apply to a source of kind {kind}."
                self.tables.note((*at, name), "unknown_field", message, f"Remove it; it is only for {only}.")
        if kind == "sqlite" and not given.query:
            hint = 'Add it: query = "SELECT id, title FROM news WHERE score IS NULL"'
            self.tables.note((*at, "query"), "missing_field", f"{shown((*at, 'query'))} is missing.", hint)
        key = given.key or ("{{ path }}" if kind == "folder" else "")
        if not key:
            hint = 'Say what tells the rows apart: key = "{{ id }}"'
            self.tables.note((*at, "key"), "missing_field", f"{shown((*at, 'key'))} is missing.", hint)
        return Source(
            kind=kind,
            path=given.path,
            key=Prompt(key, shown((*at, "key"))),
            query=given.query,
            glob=given.glob,
            delimiter=given.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ","),
        )

    def _output(self, table: object, at: Field) -> Output | None:
        from batchtui.core.outputs import kinds  # loads a lot that is not needed without a job

        if not isinstance(table, dict):
            self.tables.take(table, _Output, at)
            return None
        options = {name: value for name, value in table.items() if name not in _HEAD}
        head = self.tables.take({name: table[name] for name in _HEAD & table.keys()}, _Output, at)
        if head is None or self.tables.take(options, kinds.KINDS[head.kind].options, at) is None:
            return None
        if not head.path and head.kind != "command":
            self.tables.note((*at, "path"), "missing_field", f"{shown((*at, 'path'))} is missing.", "Add it.")
            return None
        try:
            if head.kind == "command":
                options["folder"] = str(place(self.folder, options.get("folder", "")))
            path = str(place(self.folder, head.path)) if head.path else ""
            output = Output(kind=head.kind, path=path, options=options)
            kinds.check(output)
        except BadInput as error:
            self.tables.note(at, "output", error.message, error.hint)
            return None
        return output

    def _misplaced(self, job: Job) -> None:
        """Notes outputs that would overwrite each other, or what the job is made of."""
        if any(step.outputs for step in job.steps):
            from batchtui.core.jobs.output_places import misplaced  # loads a lot that is not needed without outputs

            for one in misplaced(job, str(self.path)):
                self.tables.note(one.field, one.kind, one.message, one.hint)

    def _templates(self, step: Step, at: Field, earlier: Collection[str]) -> None:
        """Notes invalid templates, and uses of answers that no earlier step gives."""
        from batchtui.core.jobs.templates import (
            Template,  # jinja2 is not needed without a job
            Tree,  # jinja2 is not needed without a job
            Unfit,  # jinja2 is not needed without a job
        )

        prompts = {("request", "system"): step.request.system, ("request", "user"): step.request.user}
        if step.source:
            prompts["source", "key"] = step.source.key
        trees: dict[Field, Prompt | dict[str, Any]] = {way: one for way, one in prompts.items() if one}
        trees["request", "params"] = step.request.params
        for way, given in trees.items():
            field = (*at, *way)
            try:
                found = [Template(given)] if isinstance(given, Prompt) else Tree(given, shown(field)).templates
            except Unfit as error:
                place = f" (line {error.line} of the template)" if error.line else ""
                self.tables.note(field, error.kind, f"{error.message.rstrip('.')}{place}.", error.hint)
                continue
            for name in sorted(frozenset[str]().union(*(one.answers for one in found)) - set(earlier)):
                message = f"{shown(field)} uses answers.{inert_line(name, 60)}, but no earlier step has that name."
                hint = did_you_mean(name, earlier) or (
                    f"Earlier steps: {', '.join(earlier)}" if earlier else "There are none."
                )
                self.tables.note(field, "answers", message, hint)
