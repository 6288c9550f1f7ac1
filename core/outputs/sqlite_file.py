"""A user's SQLite file: opens it carefully, quotes names, converts values for SQLite, and explains its errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from time import thread_time
from typing import NamedTuple

from batchtui.core.errors import BadInput, Busy
from batchtui.core.outputs.reading import Value, words
from batchtui.core.outputs.target import NotWritten, only_a_file, shown
from batchtui.core.paths import seen
from batchtui.core.text import inert_line

WAIT = 30.0
"""Seconds to wait for another program that is writing to the same file."""

SHORT_WAIT = 5.0
"""The same where a person waits, before anything is sent."""

_LATER = "Try again when that program is done."
_GO_ON = "Stop the program that writes to it; what was applied so far stays, and the next run does the rest."

_CACHE = 16_000
"""In KiB. With SQLite's own 2 MB, many pages are read again and again if rows are updated out of order."""

_RANGE = 1 << 63


_STEPS = 100_000
"""SQLite looks at the clock after so many steps, a few milliseconds."""


class Clock:
    """Ends a statement once a single row takes longer than `seconds` of this thread's time. The caller counts `row`."""

    def __init__(self, connection: sqlite3.Connection, seconds: float) -> None:
        self.row = 1
        self._seconds = seconds
        self._last = 0
        self._since = 0.0
        connection.set_progress_handler(self._late, _STEPS)

    def _late(self) -> bool:
        if self.row != self._last:
            self._last, self._since = self.row, thread_time()
        return thread_time() - self._since > self._seconds


class About(NamedTuple):
    """A column of a table: its declared type in capitals, and whether SQLite computes it."""

    name: str
    type: str
    computed: bool


@contextmanager
def opened(path: Path, *, looking: bool = False) -> Iterator[sqlite3.Connection]:
    """Opens an existing database. Python starts no transactions of its own, and each commit is on the disk.
    `looking` only looks into it, and waits for others only a short time.

    Raises:
        BadInput: it does not exist, or is not a SQLite database.
        Busy: another program held it too long.
        NotWritten: any other error of SQLite.
    """
    only_a_file(path)
    if not seen(path):
        raise BadInput(f"{shown(path)} does not exist.", "Give the path of the SQLite database with the rows.")
    wait = SHORT_WAIT if looking else WAIT
    with errors(path, looking=looking), closing(connect(path, wait)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield connection


@contextmanager
def new(path: Path) -> Iterator[sqlite3.Connection]:
    """Turns an empty file into a database: fast and without a journal, since it has no final name yet."""
    with closing(connect(path, WAIT)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        yield connection


def connect(path: Path, wait: float) -> sqlite3.Connection:
    """Connects to an existing file, empty or not."""
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=wait, isolation_level=None)


@contextmanager
def errors(path: Path, *, looking: bool = False) -> Iterator[None]:
    """Turns SQLite's errors into our own."""
    try:
        yield
    except sqlite3.Error as error:
        reason = inert_line(str(error), 200)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            raise BadInput(f"{shown(path)} is not a SQLite database.", "Choose another file.") from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            wait, then = (SHORT_WAIT, _LATER) if looking else (WAIT, _GO_ON)
            raise Busy(f"Another program kept {shown(path)} locked for {wait:.0f} s.", then) from error
        raise NotWritten(
            f"{shown(path)} could not be written: {reason}.", "What was committed stays; fix this and run it again."
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits all of it or nothing. Takes the write lock at the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def columns(connection: sqlite3.Connection, table: str) -> dict[str, About]:
    """The columns of a table by lower-case name; empty if there is no such table."""
    found = connection.execute("SELECT name, type, hidden FROM pragma_table_xinfo(?)", (table,))
    return {name.lower(): About(name, kind.upper(), bool(hidden)) for name, kind, hidden in found}


def quoted(name: str) -> str:
    """A table or column name, quoted for SQL. Raises BadInput if it cannot be a name."""
    if not name or "\0" in name:
        raise BadInput(f'"{inert_line(name, 60)}" cannot name a table or a column.', "Choose another name.")
    return '"' + name.replace('"', '""') + '"'


def bound(value: Value) -> str | int | float | None:
    """The value to bind: dates in ISO 8601, lists and objects as JSON.

    A whole number that is too large for SQLite becomes text: its digits.
    """
    if type(value) is str or type(value) is float or value is None:
        return value
    if isinstance(value, int) and -_RANGE <= value < _RANGE:
        return value
    return _iso(value) if isinstance(value, datetime) else words(value)


@lru_cache(8)
def _iso(value: datetime) -> str:
    return words(value)
