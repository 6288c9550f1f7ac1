"""The statement that changes one row of a user's table, and the reasons why an answer cannot be applied."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from batchtui.core.errors import BadInput
from batchtui.core.logs import log
from batchtui.core.outputs.reading import Missing, Reading, Value
from batchtui.core.outputs.sqlite_file import About, bound, columns, quoted
from batchtui.core.outputs.target import shown
from batchtui.core.text import inert_line, plural

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)

Take = Callable[[Reading], Value]


class Update(NamedTuple):
    """What to set in which rows, by column. `output` distinguishes this update from others in the ledger."""

    table: str
    sets: dict[str, Take]
    where: dict[str, Take]
    output: str


class Statement(NamedTuple):
    """`takes` gives what to bind, in the order of the placeholders: column, value, and whether it must be a number."""

    sql: str
    takes: tuple[tuple[str, Take, bool], ...]


class Unmatched(Exception):
    """The answer does not match exactly one row of the table."""


class Several(Exception):
    """An answer changed several rows, or perhaps part of what a rule of the table then refused. Everything since the
    transaction began must be undone, and done again with care."""


def prepare(connection: sqlite3.Connection, target: Path, wanted: Update) -> Statement:
    """The statement of an update. Raises BadInput if the table or a column does not exist, or cannot be set."""
    there = columns(connection, wanted.table)
    if not there:
        raise BadInput(f"{shown(target)} has no table {shown(wanted.table)}.", "Check its name.")
    kind = connection.execute("SELECT type FROM sqlite_schema WHERE lower(name) = lower(?)", (wanted.table,)).fetchone()
    if kind and kind[0] == "view":
        raise BadInput(f"{shown(wanted.table)} is a view.", "Name the table whose rows it shows.")
    sets = [_column(there, wanted.table, name, written=True) for name in wanted.sets]
    where = [_column(there, wanted.table, name, written=False) for name in wanted.where]
    sql = (
        f"UPDATE {quoted(wanted.table)} SET {', '.join(f'{quoted(one.name)} = ?' for one in sets)} "  # noqa: S608 - quoted
        f"WHERE {' AND '.join(f'{quoted(one.name)} = ?' for one in where)}"
    )
    plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * (len(sets) + len(where))).fetchall()
    if any(str(step[3]).startswith("SCAN") for step in plan):
        log.warning("%s has no index on %s: every answer reads the whole table", wanted.table, ", ".join(wanted.where))
    takes = (
        *((name, take, _numeric(about)) for (name, take), about in zip(wanted.sets.items(), sets, strict=True)),
        *((name, take, False) for name, take in wanted.where.items()),
    )
    return Statement(sql, takes)


def _column(there: Mapping[str, About], table: str, name: str, *, written: bool) -> About:
    about = there.get(name.lower())
    if about is None:
        known = ", ".join(shown(one.name) for one in there.values())
        raise BadInput(f"The table {shown(table)} has no column {shown(name)}.", f"Its columns are: {known}.")
    if written and about.computed:
        raise BadInput(f"The column {shown(name)} of {shown(table)} is computed by SQLite.", "Set another column.")
    return about


def _numeric(about: About) -> bool:
    """True for affinity INTEGER or REAL (https://sqlite.org/datatype3.html, 3.1); DATE and BOOLEAN are neither."""
    kind = about.type
    if "INT" in kind:
        return True
    text = any(word in kind for word in ("CHAR", "CLOB", "TEXT", "BLOB"))
    return not text and any(word in kind for word in ("REAL", "FLOA", "DOUB"))


def values_of(reading: Reading, statement: Statement) -> list[Any]:
    """The values to bind for one answer. Raises Missing if one is not there, or must be a number and is not."""
    values = []
    for name, take, numeric in statement.takes:
        value = bound(take(reading))
        if numeric and type(value) is str and not _NUMBER.fullmatch(value):
            raise Missing(f'{inert_line(name, 60)} takes numbers, but got "{inert_line(value, 60)}"')
        values.append(value)
    return values


def change(cursor: sqlite3.Cursor, statement: Statement, values: list[Any]) -> None:
    """Changes one row, or raises. After Several, the transaction must not be committed.

    Several is also for what a rule of the table refused: with FAIL, what was done before the refusal stays done.
    """
    try:
        met = cursor.execute(statement.sql, values).rowcount
    except sqlite3.IntegrityError as error:
        if not cursor.connection.in_transaction:
            raise
        raise Several from error
    if met > 1:
        raise Several
    if met == 0:
        raise Unmatched("no row of the table matches")


def change_with_care(cursor: sqlite3.Cursor, statement: Statement, values: list[Any]) -> None:
    """The same, but takes twice the time and undoes changes to several rows, or to part of one."""
    cursor.execute("SAVEPOINT one")
    met = 0
    try:
        met = cursor.execute(statement.sql, values).rowcount
    finally:
        if cursor.connection.in_transaction:
            if met != 1:
                cursor.execute("ROLLBACK TO one")
            cursor.execute("RELEASE one")
    if met != 1:
        raise Unmatched(f"{plural(met, 'row')} of the table match" if met else "no row of the table matches")
