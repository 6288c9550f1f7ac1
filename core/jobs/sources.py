"""Reads rows from CSV, JSON lines, a folder of files, a SQLite query or Parquet. One row is in memory at a time."""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from batchtui.core.errors import BadInput
from batchtui.core.jobs.job import Source, place
from batchtui.core.requests import input_rows
from batchtui.core.requests.problems import Problem, Unusable
from batchtui.core.text import inert_line, plural

Row = dict[str, Any]
Note = Callable[[Problem], None]
"""Called for each row that cannot be used; the rows after it are still read."""

_LONGEST = 256_000_000
"""The most bytes that one line of JSON may have: the create body that it goes into may have no more."""

_BATCH = 500
_READS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}


class Found(NamedTuple):
    """A row of JSON values, its number, and its place for the user: the unit, the number, and more.

    `line 7` of a text, counting the header as line 1; `row 7` of a query; `file 7: notes/a.md` of a folder.
    """

    number: int
    where: str
    row: Row


def rows(source: Source, folder: Path, note: Note) -> Iterator[Found]:
    """The rows of a source, in its order; `folder` is the job file's folder.

    Raises:
        BadInput: it does not exist, or cannot be read any further; the message says where.
    """
    path = place(folder, source.path)
    match source.kind:
        case "csv":
            found = _csv(path, source.delimiter, note)
        case "jsonl":
            found = _jsonl(path, note)
        case "folder":
            found = _folder(path, source.glob, note)
        case "sqlite":
            found = _sqlite(path, source.query, note)
        case "parquet":
            found = _parquet(path, note)
    try:
        yield from found
    except OSError as error:
        hint = "Check the path; it is relative to the job file's folder."
        raise BadInput(f"{_shown(path)} cannot be read: {error.strerror or inert_line(str(error))}.", hint) from error


def _csv(path: Path, delimiter: str, note: Note) -> Iterator[Found]:
    csv.field_size_limit(_LONGEST)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                raise BadInput(f"{_shown(path)} is empty.", "Give a file whose first line names the columns.")
            _named(header, f"{_shown(path)}, line 1")
            for cells in reader:
                where = f"line {reader.line_num}"
                if len(cells) == len(header):
                    yield Found(reader.line_num, where, dict(zip(header, cells, strict=True)))
                elif cells:
                    message = f"It has {plural(len(cells), 'cell')}; the header has {len(header)}."
                    hint = "Quote cells that contain the delimiter, or set `delimiter`."
                    note(Problem(reader.line_num, "", message, hint, "cells", where))
        except csv.Error as error:
            message = f"{_shown(path)}, line {reader.line_num}: {inert_line(str(error))}."
            raise BadInput(message, 'Quote cells that contain quotes, and double those quotes: "say ""hi"""') from error
        except UnicodeDecodeError as error:
            message = (
                f"{_shown(path)}, after line {reader.line_num}: byte 0x{error.object[error.start]:02x} is not UTF-8."
            )
            raise BadInput(message, "Save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8") from error


def _jsonl(path: Path, note: Note) -> Iterator[Found]:
    decode = msgspec.json.Decoder(Row).decode
    try:
        with input_rows.opened(path, _LONGEST) as source:
            for number, line, _done in source.rows:
                where = f"{'line' if source.unit == 'line' else 'row'} {number}"
                try:
                    if not line.isascii():
                        line.decode()
                    row = decode(line)
                except (ValueError, RecursionError) as error:
                    message, hint = f"It is not a JSON object: {inert_line(str(error))}.", "Write one object per line."
                    note(Problem(number, "", message, hint, "not_json", where))
                    continue
                yield Found(number, where, row)
    except Unusable as error:
        raise BadInput(error.problem.message, error.problem.hint) from error


def _folder(path: Path, glob: str, note: Note) -> Iterator[Found]:
    if not path.is_dir():
        raise BadInput(f"{_shown(path)} is not a folder.", "Check the path; it is relative to the job file's folder.")
    try:
        entries = sorted(path.glob(glob))
    except (ValueError, NotImplementedError) as error:
        raise BadInput(
            f'glob = "{inert_line(glob)}": {inert_line(str(error))}.', 'Use a pattern such as "**/*.md".'
        ) from error
    root = path.resolve()
    for number, entry in enumerate(entries, 1):
        inside = entry.relative_to(path)
        if any(part.startswith(".") for part in inside.parts) or not entry.is_file():
            continue
        where = f"file {number}: {inert_line(inside.as_posix(), 100)}"
        if not entry.resolve().is_relative_to(root):
            message, hint = "It is a link that points outside the folder.", "Copy the file into the folder."
            note(Problem(number, "", message, hint, "outside", where))
            continue
        try:
            text = entry.read_text(encoding="utf-8-sig")
            inside.as_posix().encode()
        except UnicodeError:
            note(Problem(number, "", "It is not UTF-8 text.", "Save it as UTF-8, or narrow `glob`.", "not_utf8", where))
            continue
        about = {"name": entry.name, "stem": entry.stem, "path": inside.as_posix(), "text": text}
        yield Found(number, where, about)


def _sqlite(path: Path, query: str, note: Note) -> Iterator[Found]:
    if not path.is_file():
        raise BadInput(f"{_shown(path)} does not exist.", "Check the path; it is relative to the job file's folder.")
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=30)
        connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY)
        cursor = connection.execute(query)
        header = [column[0] for column in cursor.description or ()]
        _named(header, "source.query")
        for number, values in enumerate(cursor, 1):
            where = f"row {number}"
            yield from _plain(number, where, dict(zip(header, values, strict=True)), note)
    except (sqlite3.Error, sqlite3.Warning) as error:
        message = f"The query on {_shown(path)} failed: {inert_line(str(error))}."
        raise BadInput(message, "Use a single SELECT; the database is only read.") from error
    finally:
        if connection:
            connection.close()


def _parquet(path: Path, note: Note) -> Iterator[Found]:
    try:
        from pyarrow import ArrowException  # type: ignore[import-untyped]
        from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]
    except ImportError as error:
        raise BadInput("Parquet needs pyarrow.", "Install it: pip install 'batchtui[parquet]'") from error
    try:
        with ParquetFile(path) as file:
            _named(file.schema_arrow.names, _shown(path))
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in _values(batch, number, path):
                    number += 1
                    yield from _plain(number, f"row {number}", row, note)
    except ArrowException as error:
        raise BadInput(f"{_shown(path)} is not a Parquet file: {inert_line(str(error))}", "Check the path.") from error


def _values(batch: Any, number: int, path: Path) -> list[Row]:
    """The rows of a piece of Parquet. Raises BadInput if Python cannot hold a time: too exact, or too far away."""
    try:
        rows: list[Row] = batch.to_pylist()
    except (ValueError, OverflowError) as error:
        column = next((name for name in batch.schema.names if not _can_be_held(batch.column(name))), "")
        where = f"{_shown(path)}, rows from {number + 1} on"
        raise BadInput(
            f"{where}: column “{inert_line(column, 60)}” holds a time that is too exact or too far away.",
            "Cast it to text, or to microseconds, before it is written to Parquet.",
        ) from error
    return rows


def _can_be_held(column: Any) -> bool:
    try:
        column.to_pylist()
    except (ValueError, OverflowError):
        return False
    return True


def _plain(number: int, where: str, row: Row, note: Note) -> Iterator[Found]:
    """The row as JSON values. A row with bytes is noted instead."""
    binary = next((name for name, value in row.items() if isinstance(value, bytes)), None)
    if binary is None:
        yield Found(number, where, msgspec.to_builtins(row))
        return
    message = f"Column “{inert_line(binary, 60)}” contains bytes, not text."
    note(Problem(number, inert_line(binary, 60), message, "Leave the column out, or cast it to text.", "bytes", where))


def _named(header: Sequence[str], where: str) -> None:
    """Raises BadInput unless every column has a unique name."""
    if not header:
        raise BadInput(f"{where} has no columns.", "Use one SELECT of the columns that you need.")
    if "" in (name.strip() for name in header):
        raise BadInput(f"{where}: column {_blank(header)} has no name.", "Give every column a different name.")
    name, times = Counter(header).most_common(1)[0]
    if times > 1:
        raise BadInput(f"{where}: {times} columns have the name “{inert_line(name, 60)}”.", "Rename all but one.")


def _blank(header: Iterable[str]) -> int:
    return next(number for number, name in enumerate(header, 1) if not name.strip())


def _shown(path: Path) -> str:
    return inert_line(str(path))
