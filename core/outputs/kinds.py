"""Where results go: one module a kind, chosen by the ending of the target or by its pattern."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from msgspec.structs import replace

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.outputs import columns, command, csv, failed_rows, files, jsonl, parquet, sqlite
from batchtui.core.outputs.command import CommandFailed
from batchtui.core.outputs.target import NotWritten, Options, Report, TargetExists, Work, can_hold, read_options, shown
from batchtui.core.outputs.value_paths import row_columns
from batchtui.core.outputs.when import AnswersWhen, wanted
from batchtui.core.paths import target_path
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
    "run",
]


class Kind(NamedTuple):
    """How one kind of output is checked and written; `options` is the shape of its table in a job file."""

    options: type[Any]
    check: Callable[[Path, Any], None]
    write: Callable[[Answers, Work, Any], int]


def _nothing_more(path: Path, options: Options) -> None:
    """There is nothing else that could be wrong."""


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
"""Every kind of output, by the word that names it."""

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
    """The kind of output that an export's target means; `kind` decides where it is given.

    Raises:
        BadInput: there is no such kind, or the target does not say which.
    """
    if kind is None:
        chosen = "files" if files.is_pattern(to) else _ENDINGS.get(Path(to).suffix.lower().removeprefix("."))
        if chosen is None:
            raise BadInput(f"{shown(to)} does not say what to write.", _KNOWN)
        return chosen
    if kind not in _EXPORTS:
        raise BadInput(f"There is no export of the kind {shown(kind)}.", f"Use one of: {', '.join(_EXPORTS)}")
    if kind != "files" and files.is_pattern(to):
        raise BadInput(f"{shown(to)} is a pattern, and {kind} is one file.", _KNOWN)
    return kind


def export(
    answers: Answers,
    to: str,
    *,
    kind: str | None = None,
    overwrite: bool = False,
    scope: str = "",
    report: Report | None = None,
) -> Output:
    """Writes all results to `to`, in the order of the requests.

    What comes back has the kind, the absolute path and the number of rows; when it was done is the caller's to say.
    `report(rows_done, rows_total)` may raise to stop: then nothing new stands under a final name. `scope` says in a
    database of several batches whose rows these are; the table is named `answers`.

    Raises:
        BadInput: no kind fits the target, or the target cannot be used.
        TargetExists: it is there already, and `overwrite` is false.
        NotWritten: the disk, the folder or the database did not allow it.
    """
    chosen = kind_of(to, kind)
    path = _path(chosen, to)
    _not_ours(path, answers)
    work = Work(path=path, there="replace" if overwrite else "refuse", scope=scope, report=report)
    rows = KINDS[chosen].write(answers, work, KINDS[chosen].options())
    return Output(kind=chosen, path=str(path), rows=rows)


def check(spec: Output) -> None:
    """Looks, before anything is sent, whether an output of a job can be what it says.

    Raises:
        BadInput: there is no such kind, an option is none of its, or a path, table, column or program is not there.
    """
    kind, options = _understood(spec)
    wanted(options.when)
    path = _path(spec.kind, spec.path)
    if path != Path():
        can_hold(path.parent)
    kind.check(path, options)


def run(
    spec: Output,
    answers: Answers,
    *,
    batch_id: str,
    now: datetime,
    report: Report | None = None,
    leave: Event | None = None,
) -> Output:
    """Does an output of a job and gives it back with `done_at` and `rows`. After a kill at any moment it can run again.

    `batch_id` names these requests in ledgers and tables: the same at every run for them, and for a retry of them.
    `now` is what the answers see as `now`: with the same one a second run writes the same bytes. A file that is there
    already is accepted if it is the very same, replaced if this output has run before or says `overwrite`, and
    refused otherwise. `rows` is less than the answers where some did not fit: they are in `failed_path(spec)`. Setting
    `leave` ends a program that runs.

    Raises:
        BadInput: it cannot be what it says.
        TargetExists: something else is there already.
        Busy: another program holds the database.
        CommandFailed: the program did not end well.
        NotWritten: the disk, the folder or the database did not allow it.
    """
    kind, options = _understood(spec)
    path = _path(spec.kind, spec.path)
    if path != Path():
        _not_ours(path, answers)
    work = Work(
        path=path,
        there="replace" if options.overwrite or spec.done_at else "same",
        scope=batch_id,
        now=now,
        report=report,
        leave=leave,
    )
    rows = kind.write(AnswersWhen(answers, options.when) if options.when else answers, work, options)
    kept = {**spec.options, "exit_code": 0} if spec.kind == "command" else spec.options
    return replace(spec, path=str(path) if path != Path() else "", options=kept, done_at=now, rows=rows)


def failed_path(spec: Output) -> Path | None:
    """Where an output says what it could not use; None where that is not kept. It is there only if there is any."""
    _, options = _understood(spec)
    path = _path(spec.kind, spec.path)
    if path == Path():
        return None
    if isinstance(options, files.FilesOptions):
        return path.with_name(files.failed_name(path, options))
    if isinstance(options, sqlite.SqliteOptions):
        return path.with_name(sqlite.failed_name(path, options))
    return path.with_name(failed_rows.name_for(path))


def columns_named(spec: Output) -> frozenset[str]:
    """The columns of the source's rows without which an output cannot be what it says. Raises as `check`."""
    _, options = _understood(spec)
    said = [spec.path if spec.kind == "files" else ""]
    for table in ("set", "where", "columns"):
        given = getattr(options, table, ())
        said += given.values() if isinstance(given, dict) else given
    said.append(getattr(options, "content", ""))
    texts = [one for one in said if isinstance(one, str)]
    return frozenset(options.when).union(*map(row_columns, texts))


def _understood(spec: Output) -> tuple[Kind, Any]:
    if spec.kind not in KINDS:
        raise BadInput(f"There is no output of the kind {shown(spec.kind)}.", f"Use one of: {', '.join(KINDS)}")
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
