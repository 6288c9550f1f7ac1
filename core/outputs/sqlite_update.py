"""Applies answers to rows that the user already has: each row once, even after a kill or a repeated run.

A ledger table in the same database records which answers were applied, in the same transaction as the rows.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from batchtui.core.errors import BadInput
from batchtui.core.logs import log
from batchtui.core.outputs.failed_rows import UNFIT, FailedRows
from batchtui.core.outputs.reading import Missing, Reading
from batchtui.core.outputs.sqlite_file import Clock, columns, opened, transaction
from batchtui.core.outputs.sqlite_statement import (
    Several,
    Statement,
    Take,
    Unmatched,
    Update,
    change,
    change_with_care,
    prepare,
    values_of,
)
from batchtui.core.outputs.staging import staged
from batchtui.core.outputs.target import NotWritten, Options, Work, Written, each, shown
from batchtui.core.outputs.value_paths import path, template
from batchtui.core.results.answers import Answers, KeyedResult
from batchtui.core.text import inert_line, plural

UNMATCHED = "unmatched"
"""The type, in the file of failures, of an answer that met no row of the table, or more than one."""

LEDGER = "_batchtui_applied"
"""`applied_at` is in seconds since 1970."""

_CHUNK = 10_000
"""Answers per transaction: other programs wait for only a fraction of a second, and a commit costs a few waits for the
disk."""

_CHUNK_BYTES = 8_000_000

SECONDS = 60.0
"""Seconds of the processor's time that changing one row may take: a trigger may go on for ever."""

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


def update(
    table: str, sets: Mapping[str, Any], where: Mapping[str, Any], when: Mapping[str, Any] | None = None
) -> Update:
    """Parses the options: `set` takes paths, `where` takes templates; a value that is not text is used as it is. `when`
    only distinguishes this update from others.

    Raises:
        BadInput: a path is invalid, or `set` or `where` is empty.
    """
    if not table:
        raise BadInput("The sqlite output does not name a table.", 'Give table = "NAME"')
    if not sets or not where:
        raise BadInput(
            "The sqlite output needs `set` and `where` to update rows, and one of them is missing.",
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
            f"To use the value, write {{{{ {said.strip()} }}}}",
        )
    return template(said).take


def check(target: Path, wanted: Update) -> None:
    """Checks that the table and the columns exist. Raises as `apply` does."""
    with opened(target, looking=True) as connection:
        prepare(connection, target, wanted)


def apply(answers: Answers, work: Work, wanted: Update, options: Options, failed: str) -> Written:
    """Applies every answer that `options` take, that fits, and that is not in the ledger. Returns how many are applied
    by now, and how many met no row.

    `failed` is the name of the file for what does not fit. Each answer must match exactly one row. An answer that does
    not is listed there and changes nothing. So is one whose values are missing, are not numbers although the column
    takes numbers, or break a constraint of the table.

    Raises:
        BadInput: the database, the table or a column does not exist, or a column is computed by SQLite.
        Busy: another program held the database too long.
        NotWritten: SQLite refused; what was committed stays, and the next run continues.
    """
    stamp = int((work.now or datetime.now(UTC)).timestamp())
    with opened(work.path) as connection, staged(work.path.parent, "replace", work.guard, work.note) as stage:
        left = FailedRows(stage, failed, work.unfit)
        clock = Clock(connection, SECONDS)
        statement = prepare(connection, work.path, wanted)
        _make_ledger(connection, work.path)
        known = connection.execute(_ALL_APPLIED, (work.scope, wanted.output))
        before = [custom_id for (custom_id,) in known if custom_id in answers]
        count, unmatched = len(before), 0
        for chunk in _chunks(_taken(each(answers, work.report, before), options, left)):
            try:
                refused = _apply(connection, clock, chunk, statement, wanted, work, stamp, change)
            except Several:
                refused = _apply(connection, clock, chunk, statement, wanted, work, stamp, change_with_care)
            for answer, kind, cause in refused:
                left.add(answer, kind, cause)
                unmatched += kind == UNMATCHED
            count += len(chunk) - len(refused)
    if left.count:
        log.info("%s: %s not applied, see %s", work.path, plural(left.count, "answer"), stage.folder / left.name)
    return Written(count, unmatched)


def _taken(answers: Iterator[KeyedResult], options: Options, left: FailedRows) -> Iterator[KeyedResult]:
    for answer in answers:
        if options.takes(answer):
            yield answer
        else:
            left.add(answer)


def _chunks(answers: Iterator[KeyedResult]) -> Iterator[list[KeyedResult]]:
    chunk: list[KeyedResult] = []
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
    clock: Clock,
    chunk: list[KeyedResult],
    statement: Statement,
    wanted: Update,
    work: Work,
    stamp: int,
    change: Callable[[sqlite3.Cursor, Statement, list[Any]], None],
) -> list[tuple[KeyedResult, str, str]]:
    """Runs one transaction: the rows and their entries in the ledger. Returns what was refused."""
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
                clock.row += 1
                try:
                    change(cursor, statement, values_of(Reading(answer, work.now), statement))
                    now[answer.custom_id] = None
                except Missing as error:
                    refused.append((answer, UNFIT, str(error)))
                except Unmatched as error:
                    refused.append((answer, UNMATCHED, str(error)))
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                        raise
                    said = f"Changing the row of {shown(answer.key)} in {shown(wanted.table)} took over {SECONDS:g} s."
                    raise NotWritten(said, "Look at the table's triggers, and add an index for `where`.") from error
                except (sqlite3.IntegrityError, sqlite3.DataError) as error:
                    if not connection.in_transaction:
                        raise NotWritten(
                            f"A rule of the table {shown(wanted.table)} ended the transaction: {shown(str(error))}.",
                            "Rules with ROLLBACK cannot be used here; nothing of this chunk was applied.",
                        ) from error
                    refused.append((answer, UNFIT, str(error)))
        connection.executemany(_NOTE, [(work.scope, wanted.output, custom_id, stamp) for custom_id in now])
    return refused


def _make_ledger(connection: sqlite3.Connection, target: Path) -> None:
    with transaction(connection):
        connection.execute(_MAKE_LEDGER)
    if not {"batch", "output", "custom_id", "applied_at"} <= columns(connection, LEDGER).keys():
        raise BadInput(f"{shown(target)} has a table {LEDGER} that is not ours.", "Rename it, or use another database.")
