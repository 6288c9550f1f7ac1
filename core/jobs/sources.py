"""Reads rows from CSV, JSON lines, a folder of files, a SQLite query or Parquet. One row is in memory at a time."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from batchtui.core.errors import BadInput
from batchtui.core.file_kind import HEAD, better_delimiter, looks_like_csv, not_text, other_text
from batchtui.core.file_kind import cells as cells_of
from batchtui.core.jobs import parquet_values
from batchtui.core.jobs.job import Source, place
from batchtui.core.jobs.sqlite_source import NoDatabase, query_rows
from batchtui.core.reading import NotText, ordinary, read_text, unreadable
from batchtui.core.requests import input_rows
from batchtui.core.requests.problems import Problem, Unusable
from batchtui.core.text import inert_line, plural

Row = dict[str, Any]
Note = Callable[[Problem], None]
"""Called for each row that cannot be used; the rows after it are still read."""

_LONGEST = 256_000_000
"""The most bytes that one line of JSON may have: the create body that it goes into may have no more."""

_BATCH = 500


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
    if source.kind != "folder":
        ordinary(path)
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
        raise unreadable(path, error) from error


def _csv(path: Path, delimiter: str, note: Note) -> Iterator[Found]:
    csv.field_size_limit(_LONGEST)
    first = _first_line(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        better = better_delimiter(first, delimiter)
        hint = _delimiter(better)
        single = BadInput(f"{_shown(path)}: with the delimiter {_quoted(delimiter)}, line 1 is a single column.", hint)
        try:
            header = next(reader, None)
            if header is None:
                raise BadInput(f"{_shown(path)} is empty.", "Give a file whose first line names the columns.")
            if better and len(header) == 1:
                raise single
            _named(header, f"{_shown(path)}, line 1")
            for cells in reader:
                where = f"line {reader.line_num}"
                if len(cells) == len(header):
                    yield Found(reader.line_num, where, dict(zip(header, cells, strict=True)))
                elif cells:
                    message = f"It has {plural(len(cells), 'cell')}; the header has {len(header)}."
                    quote = f"Quote cells that contain the delimiter, {_quoted(delimiter)}, or set `delimiter`."
                    note(Problem(reader.line_num, "", message, hint or quote, "cells", where))
        except csv.Error as error:
            if better and reader.line_num <= 1 and len(cells_of(first, delimiter)) == 1:
                raise single from error
            message = f"{_shown(path)}, line {reader.line_num}: {inert_line(str(error))}."
            raise BadInput(message, 'Quote cells that contain quotes, and double those quotes: "say ""hi"""') from error
        except UnicodeDecodeError as error:
            message = f"{_shown(path)}, line {_bad_line(path)}: byte 0x{error.object[error.start]:02x} is not UTF-8."
            hint = "Save it as UTF-8. From an older Windows or Excel: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
            raise BadInput(message, hint) from error


def _bad_line(path: Path) -> int:
    """The first line that is not UTF-8: the reader has read ahead, and does not know."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return number


def _first_line(path: Path) -> str:
    """The first line of a CSV. Raises BadInput if the file is something else."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    line = head.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").splitlines()[:1]
    if line and line[0].lower().startswith("sep="):
        hint = f"Remove that line, and set delimiter = {_quoted(line[0][4:5])} in [source]."
        raise BadInput(f"{_shown(path)}, line 1: it names Excel's separator, not the columns.", hint)
    other = not_text(head) or other_text(head)
    if other is not None:
        raise BadInput(f"{_shown(path)} is {other.what}, not CSV.", other.do)
    return line[0] if line else ""


def _delimiter(better: str) -> str:
    return f"Set delimiter = {_quoted(better)} in [source]." if better else ""


def _quoted(delimiter: str) -> str:
    """A delimiter as TOML has it."""
    return '"\\t"' if delimiter == "\t" else f'"{inert_line(delimiter)}"'


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
    path.stat()  # else the true reason is said
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
            text = read_text(entry)
            inside.as_posix().encode()
        except UnicodeError:
            note(Problem(number, "", "Its name is not UTF-8.", "Rename it, or narrow `glob`.", "not_utf8", where))
            continue
        except BadInput as error:
            kind = "not_utf8" if isinstance(error, NotText) else "not_readable"
            note(Problem(number, "", error.message, f"{error.hint} Or narrow `glob`.", kind, where))
            continue
        about = {"name": entry.name, "stem": entry.stem, "path": inside.as_posix(), "text": text}
        yield Found(number, where, about)


def _sqlite(path: Path, query: str, note: Note) -> Iterator[Found]:
    try:
        for number, row in query_rows(path, query, lambda header: _named(header, "source.query")):
            yield from _plain(number, f"row {number}", row, note)
    except NoDatabase as error:
        raise _is_no(path, "SQLite database") from error


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
                for row in parquet_values.rows(batch):
                    number += 1
                    yield from _plain(number, f"row {number}", row, note)
    except ArrowException as error:
        raise _is_no(path, "Parquet file") from error


def _is_no(path: Path, wanted: str) -> BadInput:
    """The error for a file that is not of its kind. Says what it is, if that can be told."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    other = not_text(head) or other_text(head)
    if other is not None and wanted not in other.what:
        return BadInput(f"{_shown(path)} is {other.what}, no {wanted}.", other.do)
    if looks_like_csv(head):
        return BadInput(f"{_shown(path)} is a table (CSV), no {wanted}.", 'Set kind = "csv" in [source].')
    why = "damaged" if other is not None else "not one" if head else "empty"
    return BadInput(f"{_shown(path)} should be a {wanted}, but is {why}.", "Check the path.")


def _plain(number: int, where: str, row: Row, note: Note) -> Iterator[Found]:
    """The row as JSON values. A row with bytes, or with a cell that cannot be read, is noted instead."""
    for name, value in row.items():
        if isinstance(value, parquet_values.Unreadable):
            column = inert_line(name, 60)
            message = f"Column “{column}” cannot be read: {value.why}."
            note(Problem(number, column, message, "Leave the column out, or cast it to text.", "unreadable", where))
            return
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
