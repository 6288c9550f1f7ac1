"""Rows of a SQLite query. The database is only read, and a query that never ends or takes all memory is ended."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from batchtui.core.errors import BadInput, BatchtuiError, Busy
from batchtui.core.outputs.sqlite_file import SHORT_WAIT, Clock
from batchtui.core.text import inert_line, number, size

LONGEST = 64_000_000
"""The most bytes that a cell may have. The API takes no request nearly as large."""

MOST = 1_000_000
"""The most rows that a query may give: a query that counts up for ever is not sent."""

SECONDS = 30.0
"""Seconds of the processor's time that a row may take."""

_MEMORY = 256_000_000

_UNLOCKABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""What SQLite says where it may not write beside the file, which it wants to even to read one in WAL mode."""

_ASKED = frozenset(
    [
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_RECURSIVE,
        # Virtual tables (json_each, FTS, R*Tree) prepare these when they are opened. They cannot run: see `_opened`.
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
    ]
)
_REACH_OUT = frozenset(
    ["load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "fsdir", "lsdir", "zipfile", "eval"]
)
"""Functions that reach out of the database, where a build of SQLite has them."""

_TELL = re.compile(r"\w+_list|(table|index)_x?info|foreign_key_check|(integrity|quick)_check|compile_options")
_SETTINGS = re.compile(
    r"application_id|auto_vacuum|data_version|encoding|freelist_count|journal_mode|page_(count|size)|"
    r"(schema|user)_version"
)
"""Pragmas that tell something, with an argument; and settings, which may be asked for but not set."""


class NoDatabase(BadInput):
    """The file is no SQLite database."""


def query_rows(path: Path, query: str, check: Callable[[list[str]], None]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a query and their numbers. `check` sees the names of the columns first, and may refuse them.

    Raises:
        BadInput: the query fails, takes too much, or would write.
        Busy: another program is writing to the file.
    """
    shown = inert_line(str(path))
    clock: Clock | None = None
    begun = False
    try:
        with _opened(path) as connection:
            clock = Clock(connection, SECONDS)
            cursor = connection.execute(query)
            header = [column[0] for column in cursor.description or ()]
            check(header)
            begun = True
            for values in cursor:
                if clock.row > MOST:
                    message = f"The query on {shown} gives more than {number(MOST)} rows."
                    raise BadInput(message, "Add LIMIT, or end its recursion.")
                yield clock.row, dict(zip(header, values, strict=True))
                clock.row += 1
    except (sqlite3.Error, sqlite3.Warning, MemoryError) as error:
        row = f" at row {number(clock.row + 1)}" if clock and begun else ""  # Python reads a row ahead
        raise _failed(shown, row, error) from error


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write: neither to the file, nor to another one, nor through a setting or a function. All
    that it reads is of one moment.

    Raises Busy if another program changed what was read without a lock."""
    connection = sqlite3.connect(_address(path, "mode=ro"), uri=True, timeout=SHORT_WAIT)
    unlocked: tuple[int, ...] = ()
    try:
        try:
            _begin(connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _UNLOCKABLE or not _at_rest(path):
                raise
            connection.close()
            unlocked = _stamp(path)
            connection = sqlite3.connect(_address(path, "mode=ro&immutable=1"), uri=True)
            _begin(connection)
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA hard_heap_limit = {_MEMORY}")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
        connection.set_authorizer(_allowed)
        yield connection
        if unlocked and not (_at_rest(path) and _stamp(path) == unlocked):
            raise _busy(f"{inert_line(str(path))} was changed by another program while it was read.")
    finally:
        connection.close()


def _begin(connection: sqlite3.Connection) -> None:
    """Takes the lock of a reader, which stays until the connection is closed."""
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _address(path: Path, how: str) -> str:
    return f"file:{quote(str(path.absolute()))}?{how}"


def _at_rest(path: Path) -> bool:
    """Whether nobody's changes wait beside the file."""
    beside = [path.with_name(path.name + ending) for ending in ("-wal", "-journal")]
    return not any(one.exists() and one.stat().st_size for one in beside)


def _stamp(path: Path) -> tuple[int, ...]:
    """What is different once somebody writes to the file."""
    there = path.stat()
    return there.st_ino, there.st_size, there.st_mtime_ns


def _busy(message: str) -> Busy:
    return Busy(message, "Try again when that program is done.")


def _allowed(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in _ASKED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and str(second).lower() not in _REACH_OUT:
        return sqlite3.SQLITE_OK
    name = str(first).lower()
    if action == sqlite3.SQLITE_PRAGMA and (_TELL.fullmatch(name) or (_SETTINGS.fullmatch(name) and second is None)):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _failed(shown: str, row: str, error: Exception) -> BatchtuiError:
    exact = getattr(error, "sqlite_errorcode", 0)
    code = exact & 0xFF
    if isinstance(error, MemoryError) or code == sqlite3.SQLITE_NOMEM:
        return BadInput(f"The query on {shown} needs too much memory{row}.", "Select fewer or shorter columns.")
    if code == sqlite3.SQLITE_INTERRUPT:
        message = f"The query on {shown} was ended{row}: a row took over {SECONDS:.0f} s."
        return BadInput(message, "Add an index or LIMIT, or end its recursion.")
    if code == sqlite3.SQLITE_TOOBIG:
        message = f"The query on {shown} failed{row}: a value has over {size(LONGEST)}."
        return BadInput(message, "Select less of it, such as substr(text, 1, 1000000).")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _busy(f"Another program kept {shown} locked for {SHORT_WAIT:.0f} s.")
    if exact in (sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY):
        message = f"A program that wrote to {shown} was cut short, and its changes are half there."
        return BadInput(message, "Open it once with a program that may write, which ends that: sqlite3 FILE .tables")
    if code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY):
        message = f"The query on {shown} is not allowed{row}: {inert_line(str(error))}."
        return BadInput(message, "Use a single SELECT; the database is only read.")
    hint = "Use a single SELECT; the database is only read."
    if code == sqlite3.SQLITE_NOTADB:
        return NoDatabase(f"{shown} is not a SQLite database.", "Check the path.")
    if code == sqlite3.SQLITE_CORRUPT:
        hint = "Check that it is a SQLite database, and that it is whole: sqlite3 FILE 'PRAGMA integrity_check'"
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        hint = "Check the permissions of the file, of its folder, and of what stands beside it (-wal, -shm)."
    return BadInput(f"The query on {shown} failed{row}: {inert_line(str(error))}.", hint)
