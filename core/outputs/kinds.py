"""The kinds of output, one module each, chosen by the ending of the target or by its pattern."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from msgspec.structs import replace

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput, UsageError
from batchtui.core.outputs import columns, command, csv, failed_rows, files, jsonl, parquet, sqlite
from batchtui.core.outputs.command import CommandFailed
from batchtui.core.outputs.guard import UNGUARDED, Guard
from batchtui.core.outputs.target import (
    Judge,
    NotWritten,
    Options,
    Report,
    TargetExists,
    There,
    Work,
    Written,
    can_hold,
    only_a_file,
    read_options,
    shown,
)
from batchtui.core.outputs.value_paths import row_columns
from batchtui.core.outputs.when import AnswersWhen, wanted
from batchtui.core.paths import LONGEST_NAME, target_path
from batchtui.core.results.answers import Answers

__all__ = [
    "KINDS",
    "CommandFailed",
    "NotWritten",
    "TargetExists",
    "check",
    "columns_named",
    "export",
    "failed_path",
    "kind_of",
    "refuse_own",
    "run",
]


class Kind(NamedTuple):
    """How one kind of output is checked and written; `options` is the shape of its table in a job file."""

    options: type[Any]
    check: Callable[[Path, Any], None]
    write: Callable[[Answers, Work, Any], Written]


def _nothing_more(path: Path, options: Options) -> None:
    """Nothing else can be wrong."""


def _columns(path: Path, options: csv.CsvOptions | parquet.ParquetOptions) -> None:
    if isinstance(options, parquet.ParquetOptions):
        parquet.importable()
    columns.asked_columns(options.columns)


KINDS = {
    "jsonl": Kind(Options, _nothing_more, jsonl.write),
    "csv": Kind(csv.CsvOptions, _columns, csv.write),
    "files": Kind(files.FilesOptions, files.check, files.write),
    "parquet": Kind(parquet.ParquetOptions, _columns, parquet.write),
    "sqlite": Kind(sqlite.SqliteOptions, sqlite.check, sqlite.write),
    "command": Kind(command.CommandOptions, lambda _, options: command.check(options), command.write),
}
"""Every kind of output, by name."""

_ENDINGS = {
    "jsonl": "jsonl",
    "csv": "csv",
    "parquet": "parquet",
    "db": "sqlite",
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
}
_EXPORTS = tuple(kind for kind in KINDS if kind != "command")
_KNOWN = "Export to a name that ends in .jsonl, .csv, .parquet or .db, or to a pattern such as out/{custom_id}.md"


def kind_of(to: str, kind: str | None = None) -> str:
    """The kind of output for an export's target; `kind` decides if it is given.

    Raises:
        BadInput: there is no such kind, or the target does not show which one.
    """
    if kind is None:
        chosen = "files" if files.is_pattern(to) else _ENDINGS.get(Path(to).suffix.lower().removeprefix("."))
        if chosen is None:
            raise BadInput(f"{shown(to)} does not show what to write.", _KNOWN)
        return chosen
    if kind not in _EXPORTS:
        raise BadInput(f"There is no export kind {shown(kind)}.", f"Use one of: {', '.join(_EXPORTS)}")
    if kind != "files" and files.is_pattern(to):
        raise BadInput(f"{shown(to)} is a pattern, but {kind} is a single file.", _KNOWN)
    return kind


def export(
    answers: Answers,
    to: str,
    *,
    kind: str | None = None,
    overwrite: bool = False,
    safe: bool = True,
    scope: str = "",
    report: Report | None = None,
    guard: Guard = UNGUARDED,
    note: Callable[[Path], None] | None = None,
    unfit: Judge | None = None,
) -> Output:
    """Writes all results to `to`, in the order of the requests.

    Returns the kind, the absolute path and the number of rows; the caller adds when it was done.
    `report(rows_done, rows_total)` may raise to stop: then no new file has a final name. `scope` says whose rows these
    are in a database of several batches; the table is named `answers`. `note` and `unfit` are as for `run`.

    Raises:
        UsageError: `safe` is false, so that cells that a spreadsheet would run stay as they are, and this is no CSV.
        BadInput: no kind fits the target, the target cannot be used, or it is a file in `guard`.
        TargetExists: it already exists, and `overwrite` is false.
        NotWritten: the disk, the folder or the database did not allow it.
    """
    chosen = kind_of(to, kind)
    if not safe and chosen != "csv":
        raise UsageError(f"Only CSV has a guard, and {shown(to)} is {chosen}.", "Leave out --no-guard.")
    options = KINDS[chosen].options() if safe else csv.CsvOptions(safe=False)
    path = _path(chosen, to)
    _not_ours(path, answers)
    refuse_own(Output(kind=chosen, path=to), guard)
    there: There = "replace" if overwrite else "refuse"
    work = Work(path=path, there=there, scope=scope, report=report, guard=guard, note=note, unfit=unfit)
    written = KINDS[chosen].write(answers, work, options)
    return Output(kind=chosen, path=str(path), rows=written.rows, guarded=written.guarded, unnamed=written.unnamed)


def check(spec: Output) -> None:
    """Checks, before anything is sent, that an output of a job can be written as described.

    Raises:
        BadInput: the kind is unknown, an option is not one of its own, a path, table, column or program is missing, or
            a folder, a device or a pipe is in its place.
    """
    kind, options = understood(spec)
    wanted(options.when)
    path = _path(spec.kind, spec.path)
    if path != Path():
        can_hold(path, sqlite.LONGEST_NAME if spec.kind == "sqlite" else LONGEST_NAME)
    kind.check(path, options)
    if left := failed_path(spec):
        for file in (left,) if spec.kind == "files" else (path, left):
            only_a_file(file)


def run(
    spec: Output,
    answers: Answers,
    *,
    batch_id: str,
    now: datetime,
    report: Report | None = None,
    leave: Event | None = None,
    environment: Mapping[str, str] | None = None,
    guard: Guard = UNGUARDED,
    note: Callable[[Path], None] | None = None,
    unfit: Judge | None = None,
) -> Output:
    """Runs an output of a job and returns it with `done_at` and `rows`. After a kill at any moment it can run again.

    `batch_id` names these requests in ledgers and tables: it is the same for every run, and for a retry of them. `now`
    is what the answers see as `now`: with the same value, a second run writes the same bytes. An existing file is
    accepted if it is identical, replaced if this output has run before or has `overwrite`, and refused otherwise.
    `rows` is less than the number of answers if some did not fit: those are in `failed_path(spec)`. Setting `leave`
    ends a running program; `environment` is what a program gets. Nothing in `guard` is replaced.

    `note` is called with each temporary folder before it is made, `unfit` with each complete answer that does not fit.

    Raises:
        BadInput: it cannot be written as described.
        TargetExists: something else is already there.
        Busy: another program holds the database.
        CommandFailed: the program failed.
        NotWritten: the disk, the folder or the database did not allow it.
    """
    kind, options = understood(spec)
    path = _path(spec.kind, spec.path)
    if path != Path():
        _not_ours(path, answers)
        refuse_own(spec, guard)
    work = Work(
        path=path,
        there="replace" if options.overwrite or spec.done_at else "same",
        scope=batch_id,
        now=now,
        report=report,
        leave=leave,
        environment=environment,
        guard=guard,
        note=note,
        unfit=unfit,
    )
    written = kind.write(AnswersWhen(answers, options.when) if options.when else answers, work, options)
    kept = {**spec.options, "exit_code": 0} if spec.kind == "command" else spec.options
    left = failed_path(spec)
    return replace(
        spec,
        path=str(path) if path != Path() else "",
        options=kept,
        done_at=now,
        rows=written.rows,
        unmatched=written.unmatched,
        failed_path=str(left) if left and left.exists() else "",
        guarded=written.guarded,
        unnamed=written.unnamed,
    )


def failed_path(spec: Output) -> Path | None:
    """The file of what an output could not use; None if it keeps none. It exists only if there is something in it."""
    _, options = understood(spec)
    path = _path(spec.kind, spec.path)
    if path == Path():
        return None
    if isinstance(options, files.FilesOptions):
        return path.with_name(files.failed_name(path, options))
    if isinstance(options, sqlite.SqliteOptions):
        return path.with_name(sqlite.failed_name(path, options))
    return path.with_name(failed_rows.name_for(path))


def refuse_own(spec: Output, guard: Guard) -> None:
    """Raises BadInput if an output, or its file of failures, is one of the files in `guard`.

    The names that a pattern makes are known only with the answers: they are compared when the files are written.
    """
    failed = failed_path(spec)
    if failed is None:
        return
    if spec.kind != "files":
        path = _path(spec.kind, spec.path)
        guard.refuse(path.parent, [path.name], rows=spec.kind == "sqlite")
    guard.refuse(failed.parent, [failed.name])


def columns_named(spec: Output) -> frozenset[str]:
    """The source columns that an output needs. Raises as `check` does."""
    _, options = understood(spec)
    said = [spec.path if spec.kind == "files" else ""]
    for table in ("set", "where", "columns"):
        given = getattr(options, table, ())
        said += given.values() if isinstance(given, dict) else given
    said.append(getattr(options, "content", ""))
    texts = [one for one in said if isinstance(one, str)]
    return frozenset(options.when).union(*map(row_columns, texts))


def understood(spec: Output) -> tuple[Kind, Any]:
    """The kind of an output, and its options in the form of that kind. Raises BadInput."""
    if spec.kind not in KINDS:
        raise BadInput(f"There is no output kind {shown(spec.kind)}.", f"Use one of: {', '.join(KINDS)}")
    kind = KINDS[spec.kind]
    said = {name: value for name, value in spec.options.items() if name != "exit_code"}
    return kind, read_options(spec.kind, said, kind.options)


def _path(kind: str, to: str) -> Path:
    if not to and kind == "command":
        return Path()
    if not to:
        raise BadInput("An empty text is not a path.", _KNOWN)
    return target_path(to)


def _not_ours(path: Path, answers: Answers) -> None:
    parent = path.parent.resolve()
    if any(parent.is_relative_to(folder.resolve()) for folder in answers.folders):
        raise BadInput(f"{shown(path)} is where batchtui keeps the verified results.", "Choose another folder.")
