"""Writes to SQLite in two ways: into a table made for the results, or by updating the user's own rows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import msgspec

from batchtui.core.errors import BadInput
from batchtui.core.outputs import sqlite_file, sqlite_update
from batchtui.core.outputs.columns import EVERY, Asked, Column, Table, asked_columns, free, records, table
from batchtui.core.outputs.failed_rows import ENDING, FailedRows
from batchtui.core.outputs.reading import Value
from batchtui.core.outputs.sqlite_statement import Update
from batchtui.core.outputs.staging import staged
from batchtui.core.outputs.target import Options, Work, Written, only_a_file, shown, taken
from batchtui.core.outputs.when import mark
from batchtui.core.paths import seen, short_name
from batchtui.core.results.answers import Answers

TABLE = "answers"
"""The default name of the table."""

LONGEST_NAME = 247
"""In bytes: SQLite writes its journal beside the file, under a name that is 8 longer."""

_BATCH = "batch"
_NOT_IN_NAMES = re.compile(r"[^\w-]")


class SqliteOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`mode` defaults to `update` if there is `set` or `where`, else `insert`. `columns` is for inserts, as for csv."""

    mode: Literal["insert", "update"] | None = None
    table: str = ""
    columns: Asked = msgspec.field(default_factory=dict)
    set: dict[str, Any] = msgspec.field(default_factory=dict)
    where: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def updates(self) -> bool:
        return self.mode == "update" or (self.mode is None and bool(self.set or self.where))


def check(target: Path, options: SqliteOptions) -> None:
    """Raises BadInput if the options cannot be used, or do not fit the existing database."""
    if options.updates:
        if options.columns:
            raise BadInput("An update takes no `columns`.", "Say what to write with `set`.")
        sqlite_update.check(target, update_of(options))
    elif options.set or options.where:
        raise BadInput(
            "An insert takes no `set` and no `where`.", "Say what to write with `columns`, or set mode = update."
        )
    else:
        _check_insert(target, options.table or TABLE, asked_columns(options.columns) or EVERY)


def _check_insert(target: Path, name: str, columns: Iterable[Column]) -> None:
    sqlite_file.quoted(name)
    if name.lower().startswith("sqlite_"):
        raise BadInput(f"The name {shown(name)} is reserved by SQLite.", "Choose another name for the table.")
    if seen(target):
        with sqlite_file.opened(target, looking=True) as connection:
            _fits(sqlite_file.columns(connection, name), [one for one, _ in _declared(columns)], name, target)


def write(answers: Answers, work: Work, options: SqliteOptions) -> Written:
    """Updates rows, or inserts all at once: a new database gets its name once it is complete, an existing one gets all
    rows in one transaction.

    The first column of the table is `batch`: rows of an earlier run for the same requests are removed, other rows
    stay.
    """
    if options.updates:
        return sqlite_update.apply(answers, work, update_of(options), options, failed_name(work.path, options))
    only_a_file(work.path)
    name, asked = options.table or TABLE, table(answers, options.columns, options.take)
    exists = bool(seen(work.path))
    if exists and work.there == "refuse":
        raise taken(work.path)
    with ExitStack() as stack:
        if exists:
            connection = stack.enter_context(sqlite_file.opened(work.path))
        there = "replace" if exists else work.there
        stage = stack.enter_context(staged(work.path.parent, there, work.guard, work.note))
        if not exists:
            made = stage.path(work.path.name)
            made.touch(exist_ok=False)
            connection = stack.enter_context(sqlite_file.new(made))
        rows = records(answers, asked, work, FailedRows(stage, failed_name(work.path, options), work.unfit))
        with sqlite_file.errors(work.path), sqlite_file.transaction(connection):
            return Written(_insert(connection, name, asked, work, rows))


def failed_name(target: Path, options: SqliteOptions) -> str:
    """The name of the file of failures: `stock.db.news.failed.jsonl`."""
    return short_name(f"{target.name}.{_NOT_IN_NAMES.sub('_', options.table or TABLE)}{mark(options.when)}", ENDING)


def update_of(options: SqliteOptions) -> Update:
    """The update that the options describe. Raises BadInput."""
    return sqlite_update.update(options.table, options.set, options.where, options.when)


def _insert(connection: sqlite3.Connection, name: str, asked: Table, work: Work, rows: Iterable[list[Value]]) -> int:
    columns = _declared(asked.columns)
    quoted = sqlite_file.quoted(name)
    there = sqlite_file.columns(connection, name)
    if not there:
        declared = ", ".join(f"{sqlite_file.quoted(column)} {kind}".rstrip() for column, kind in columns)
        connection.execute(f"CREATE TABLE {quoted} ({declared})")
    _fits(there, [column for column, _ in columns], name, work.path)
    connection.execute(f"DELETE FROM {quoted} WHERE {_BATCH} = ?", (work.scope,))  # noqa: S608 - quoted
    names = ", ".join(sqlite_file.quoted(column) for column, _ in columns)
    places = ", ".join("?" * len(columns))
    return connection.executemany(
        f"INSERT INTO {quoted} ({names}) VALUES ({places})",  # noqa: S608 - quoted
        ((work.scope, *map(sqlite_file.bound, record)) for record in rows),
    ).rowcount


def _declared(columns: Iterable[Column]) -> list[tuple[str, str]]:
    """Every column of the table, with its type."""
    used = {_BATCH}
    return [(_BATCH, "TEXT"), *((free(column.name, used), column.type) for column in columns)]


def _fits(there: Collection[str], columns: Iterable[str], name: str, target: Path) -> None:
    """Raises BadInput if an existing table does not have all of the columns."""
    if there and (missing := [column for column in columns if column.lower() not in there]):
        raise BadInput(
            f"The table {shown(name)} in {shown(target)} has no column {shown(missing[0])}.",
            "Use another table, or drop that one.",
        )
