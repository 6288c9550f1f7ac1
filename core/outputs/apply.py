"""Answers into rows that the user has already: each row once, whatever is killed and however often it is run.

A ledger table in the same database says which answer was applied; it is written in the same transaction as the rows.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from batchtui.core.answers import Answer, Answers
from batchtui.core.errors import BadInput
from batchtui.core.logs import log
from batchtui.core.outputs.database import About, bound, columns, opened, quoted, transaction
from batchtui.core.outputs.left import Left
from batchtui.core.outputs.stage import staged
from batchtui.core.outputs.target import NotWritten, Work, each, shown
from batchtui.core.text import inert_line, plural
from batchtui.core.values import Missing, Reading, Value, path, template

LEDGER = "_batchtui_applied"
"""`applied_at` is in seconds since 1970."""

_CHUNK = 10_000
"""Answers of one transaction: others wait for it no longer than a fraction of a second, and a commit costs a few waits
for the disk."""

_CHUNK_BYTES = 8_000_000
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_MAKE_LEDGER = f"""
CREATE TABLE IF NOT EXISTS {LEDGER} (
    batch TEXT NOT NULL,
    output TEXT NOT NULL,
    custom_id TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (batch, output, custom_id)
) WITHOUT ROWID
"""
_ALL_APPLIED = f"SELECT custom_id FROM {LEDGER} WHERE batch = ? AND output = ?"  # noqa: S608 - a constant of ours
_APPLIED = f"{_ALL_APPLIED} AND custom_id IN (SELECT value FROM json_each(?))"  # noqa: S608 - the same
_NOTE = f"INSERT INTO {LEDGER} (batch, output, custom_id, applied_at) VALUES (?, ?, ?, ?)"  # noqa: S608 - the same

Take = Callable[[Reading], Value]


class Update(NamedTuple):
    """What is set in which rows: column and value. `output` tells it from others in the ledger."""

    table: str
    sets: dict[str, Take]
    where: dict[str, Take]
    output: str


class _Statement(NamedTuple):
    """`takes` gives what is bound, in the order of its places: column, value, and whether it must be a number."""

    sql: str
    takes: tuple[tuple[str, Take, bool], ...]


class _Unmatched(Exception):
    """An answer that meets not just one row of the table."""


class _Several(Exception):
    """An answer has changed several rows; all since the transaction began must be undone and done with care."""


def update(
    table: str, sets: Mapping[str, Any], where: Mapping[str, Any], when: Mapping[str, Any] | None = None
) -> Update:
    """Understands the options: `set` takes paths, `where` templates; what is no text in either is itself. `when` only
    tells this update from others.

    Raises:
        BadInput: a path is none, or one of the two is empty.
    """
    if not table:
        raise BadInput("The output sqlite does not say which table.", 'Give table = "NAME"')
    if not sets or not where:
        raise BadInput(
            "The output sqlite updates rows by `set` and `where`, and one of them is missing.",
            'Give both, such as set = { score = "json.score" } and where = { id = "{{ row.id }}" }',
        )
    said = msgspec.json.encode([table, sets, where, *([when] if when else [])], order="deterministic")
    return Update(
        table,
        {name: _set(value) for name, value in sets.items()},
        {name: _where(name, value) for name, value in where.items()},
        f"{table} {hashlib.sha256(said).hexdigest()[:12]}",
    )


def _set(said: Any) -> Take:
    if not isinstance(said, str):
        return lambda _: said
    return (template(said) if "{{" in said else path(said)).take


def _where(name: str, said: Any) -> Take:
    if not isinstance(said, str):
        return lambda _: said
    if re.match(r"(row|json)\.|(key|custom_id)$", said.strip()):
        raise BadInput(
            f'where: {inert_line(name, 60)} would be compared with the text "{inert_line(said, 60)}" itself.',
            f"For the value write {{{{ {said.strip()} }}}}",
        )
    return template(said).take


def check(target: Path, wanted: Update) -> None:
    """Looks whether the table and the columns are there. Raises as `apply` does."""
    with opened(target) as connection:
        _statement(connection, target, wanted)


def apply(answers: Answers, work: Work, wanted: Update, failed: str) -> int:
    """Applies every answer that fits and is not in the ledger; the count is of all that are applied by now.

    The file of what does not fit is called `failed`.

    Each must meet exactly one row. One that does not, one whose values are not there, are no numbers where the column
    takes numbers, or break a constraint of the table: each is listed and changes nothing.

    Raises:
        BadInput: the database, the table or a column is not there, or a column is computed by SQLite.
        Busy: another program held the database too long.
        NotWritten: SQLite refused; what was committed stays, and the next run goes on.
    """
    stamp = int((work.now or datetime.now(UTC)).timestamp())
    with opened(work.path) as connection, staged(work.path.parent, "replace") as stage:
        left = Left(stage, failed)
        statement = _statement(connection, work.path, wanted)
        _make_ledger(connection, work.path)
        known = connection.execute(_ALL_APPLIED, (work.scope, wanted.output))
        before = [custom_id for (custom_id,) in known if custom_id in answers]
        count = len(before)
        for chunk in _chunks(_succeeded(each(answers, work.report, before), left)):
            try:
                refused = _apply(connection, chunk, statement, wanted, work, stamp, _change)
            except _Several:
                refused = _apply(connection, chunk, statement, wanted, work, stamp, _change_with_care)
            for answer, kind, cause in refused:
                left.add(answer, kind, cause)
            count += len(chunk) - len(refused)
    if left.count:
        log.info("%s: %s not applied, see %s", work.path, plural(left.count, "answer"), stage.folder / left.name)
    return count


def _succeeded(answers: Iterator[Answer], left: Left) -> Iterator[Answer]:
    for answer in answers:
        if answer.result.type == "succeeded":
            yield answer
        else:
            left.add(answer)


def _chunks(answers: Iterator[Answer]) -> Iterator[list[Answer]]:
    chunk: list[Answer] = []
    held = 0
    for answer in answers:
        chunk.append(answer)
        held += len(answer.raw)
        if len(chunk) == _CHUNK or held >= _CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _apply(
    connection: sqlite3.Connection,
    chunk: list[Answer],
    statement: _Statement,
    wanted: Update,
    work: Work,
    stamp: int,
    change: Callable[[sqlite3.Cursor, _Statement, list[Any]], None],
) -> list[tuple[Answer, str, str]]:
    """One transaction: the rows and what the ledger says of them. Returns what was refused."""
    ids = msgspec.json.encode([answer.custom_id for answer in chunk]).decode()
    now: dict[str, None] = {}
    refused = []
    cursor = connection.cursor()
    with transaction(connection):
        done = {custom_id for (custom_id,) in connection.execute(_APPLIED, (work.scope, wanted.output, ids))}
        for answer in chunk:
            if answer.custom_id in now:
                refused.append((answer, "repeated", "the API gave more than one result for it"))
            elif answer.custom_id not in done:
                try:
                    change(cursor, statement, _values(Reading(answer, work.now), statement))
                    now[answer.custom_id] = None
                except Missing as error:
                    refused.append((answer, "unfit", str(error)))
                except _Unmatched as error:
                    refused.append((answer, "unmatched", str(error)))
                except (sqlite3.IntegrityError, sqlite3.DataError) as error:
                    if not connection.in_transaction:
                        raise NotWritten(
                            f"A rule of the table {shown(wanted.table)} ended the transaction: {shown(str(error))}.",
                            "Rules with ROLLBACK cannot be used here; nothing of this chunk was applied.",
                        ) from error
                    refused.append((answer, "unfit", str(error)))
        connection.executemany(_NOTE, [(work.scope, wanted.output, custom_id, stamp) for custom_id in now])
    return refused


def _values(reading: Reading, statement: _Statement) -> list[Any]:
    values = []
    for name, take, numeric in statement.takes:
        value = bound(take(reading))
        if numeric and type(value) is str and not _NUMBER.fullmatch(value):
            raise Missing(f'{inert_line(name, 60)} takes numbers, and got "{inert_line(value, 60)}"')
        values.append(value)
    return values


def _change(cursor: sqlite3.Cursor, statement: _Statement, values: list[Any]) -> None:
    """Changes one row, or none and raises; where it is several, the transaction must not stay."""
    met = cursor.execute(statement.sql, values).rowcount
    if met > 1:
        raise _Several
    if met == 0:
        raise _Unmatched("no row of the table is like that")


def _change_with_care(cursor: sqlite3.Cursor, statement: _Statement, values: list[Any]) -> None:
    """The same, at twice the time, and several rows are as they were again."""
    cursor.execute("SAVEPOINT one")
    met = cursor.execute(statement.sql, values).rowcount
    if met != 1:
        cursor.execute("ROLLBACK TO one")
    cursor.execute("RELEASE one")
    if met != 1:
        raise _Unmatched(
            f"{plural(met, 'row')} of the table are like that" if met else "no row of the table is like that"
        )


def _statement(connection: sqlite3.Connection, target: Path, wanted: Update) -> _Statement:
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
    return _Statement(sql, takes)


def _column(there: Mapping[str, About], table: str, name: str, *, written: bool) -> About:
    about = there.get(name.lower())
    if about is None:
        known = ", ".join(shown(one.name) for one in there.values())
        raise BadInput(f"The table {shown(table)} has no column {shown(name)}.", f"It has: {known}.")
    if written and about.computed:
        raise BadInput(f"The column {shown(name)} of {shown(table)} is computed by SQLite.", "Set another column.")
    return about


def _numeric(about: About) -> bool:
    """Whether its affinity is INTEGER or REAL (https://sqlite.org/datatype3.html, 3.1); DATE and BOOLEAN are not."""
    kind = about.type
    if "INT" in kind:
        return True
    text = any(word in kind for word in ("CHAR", "CLOB", "TEXT", "BLOB"))
    return not text and any(word in kind for word in ("REAL", "FLOA", "DOUB"))


def _make_ledger(connection: sqlite3.Connection, target: Path) -> None:
    with transaction(connection):
        connection.execute(_MAKE_LEDGER)
    if not {"batch", "output", "custom_id", "applied_at"} <= columns(connection, LEDGER).keys():
        raise BadInput(f"{shown(target)} has a table {LEDGER} that is not ours.", "Rename it, or use another database.")
