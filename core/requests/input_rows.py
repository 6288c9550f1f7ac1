"""Reads the rows of an input file: JSON lines, a JSON array of requests, or an object that holds such an array."""

from __future__ import annotations

import errno
import io
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import Raw, Struct

from batchtui.core.errors import way_out
from batchtui.core.file_kind import HEAD, FileKind, looks_like_csv, not_text, other_text
from batchtui.core.reading import why_no_file
from batchtui.core.requests.problems import Unusable
from batchtui.core.text import inert_line, size

MOST_IN_MEMORY = 1_000_000_000
"""Bytes. An array is read into memory whole; JSON lines never are."""

_BLOCK = 1 << 18
"""Bytes that are checked at once: few enough for the processor's cache."""

_BOM = b"\xef\xbb\xbf"
_OBJECT = re.compile(rb'\s*\{\s*"requests"\s*:')
_AT_BYTE = re.compile(r"\(byte (\d+)\)")
_SHAPE = 'Use a file with one {"custom_id": "...", "params": {...}} per line.'


class _Body(Struct, forbid_unknown_fields=True):
    requests: list[Raw]


class Numbered(NamedTuple):
    """A row as it is in the file, its line number (in an array: its request number), and the bytes read so far."""

    number: int
    row: bytes
    done: int


class Block(NamedTuple):
    """Whole lines, blank ones included, together and one by one, and the number of the first. In an array: one row."""

    number: int
    rows: bytes
    lines: list[bytes]
    done: int


class OpenInput(NamedTuple):
    """An open input: `unit` is what the numbers count, "line" or "request"; `total` is the file's size in bytes.

    `blocks` yields all rows, many at once, for callers that can take them that way.
    """

    unit: str
    total: int
    blocks: Iterator[Block]

    @property
    def rows(self) -> Iterator[Numbered]:
        """All rows one by one, without blank lines."""
        return (row for block in self.blocks for row in self.rows_of(block))

    def rows_of(self, block: Block) -> Iterator[Numbered]:
        """The rows of a block one by one, without blank lines."""
        for number, line in enumerate(block.lines, block.number):
            if not line.isspace():
                yield Numbered(number, line, block.done)


@contextmanager
def opened(path: Path, longest: int) -> Iterator[OpenInput]:
    """Opens a file of rows. A line over `longest` bytes may be cut, but to no fewer than `longest` + 1 bytes.

    Raises:
        Unusable: the file cannot be read, or cannot be understood as a whole.
    """
    shown = inert_line(str(path))
    if "\0" in str(path):
        raise Unusable("not_there", f"{shown} does not exist.", "Check the path.")
    with _no_os_error(shown):
        about = path.stat()
        if said := why_no_file(path):
            raise Unusable("folder" if stat.S_ISDIR(about.st_mode) else "not_a_file", f"{shown} {said}.", _SHAPE)
        file = path.open("rb", buffering=_BLOCK)
    with file:
        with _no_os_error(shown):
            head = file.read(HEAD)
            if (other := _other(head)) is not None:
                raise Unusable("not_text", f"{shown} is {other.what}.", other.do)
            start = len(_BOM) if head.startswith(_BOM) else 0
            file.seek(start)
        text = head[start:]
        if text.lstrip().startswith(b"[") or _OBJECT.match(text):
            yield OpenInput("request", about.st_size, _array(file, about.st_size, shown))
        else:
            yield OpenInput("line", about.st_size, _lines(file, longest, shown))


def _other(head: bytes) -> FileKind | None:
    """What a file is that cannot be one of requests; None if it may be."""
    other = not_text(head) or other_text(head)
    if other is not None and other.what != "JSON":
        return other
    if looks_like_csv(head):
        return FileKind("a table (CSV), not requests", "A job makes requests of its rows: batchtui examples")
    return None


def _lines(file: BinaryIO, longest: int, shown: str) -> Iterator[Block]:
    number, done = 1, file.tell()
    with _no_os_error(shown):
        while block := file.read(_BLOCK):
            end = block.rfind(b"\n") + 1
            if end:
                block = block[:end]
            elif len(block) == _BLOCK:
                file.seek(done)
                block = rest = file.readline(longest + 1)
                while len(rest) > longest and not rest.endswith(b"\n") and (rest := file.readline(longest + 1)):
                    done += len(rest)
            done += len(block)
            lines = list(io.BytesIO(block))
            yield Block(number, block, lines, done)
            number += len(lines)
            file.seek(done)


def _array(file: BinaryIO, total: int, shown: str) -> Iterator[Block]:
    if total > MOST_IN_MEMORY:
        message = f"{shown} is a JSON array of {size(total)}; up to {size(MOST_IN_MEMORY)} can be read."
        raise Unusable("too_large", message, _SHAPE)
    with _no_os_error(shown):
        data = file.read()
    try:
        is_array = data[: 1 << 16].lstrip().startswith(b"[")
        rows = msgspec.json.decode(data, type=list[Raw]) if is_array else msgspec.json.decode(data, type=_Body).requests
    except msgspec.ValidationError as error:
        raise Unusable("not_json", f"{shown} is not a list of requests: {inert_line(str(error))}.", _SHAPE) from error
    except msgspec.DecodeError as error:
        raise _malformed(data, str(error), shown) from error
    except RecursionError as error:
        raise Unusable("too_deep", f"{shown} is nested too deeply.", _SHAPE) from error
    done = 0
    for number, raw in enumerate(rows, 1):
        row = bytes(raw)
        done += len(row)
        yield Block(number, row, [row], done)


def _malformed(data: bytes, reason: str, shown: str) -> Unusable:
    at = _AT_BYTE.search(reason)
    position = min(int(at[1]), len(data)) if at else len(data)
    before = data[:position]
    column = len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
    why = "it ends too early" if not at else inert_line(_AT_BYTE.sub("", reason).removeprefix("JSON is malformed: "))
    message = f"{shown} is not JSON: {why.strip()} (column {column})."
    return Unusable("not_json", message, "Correct the JSON there.", before.count(b"\n") + 1)


@contextmanager
def _no_os_error(shown: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise Unusable("not_there", f"{shown} does not exist.", "Check the path.") from error
        reason = error.strerror or str(error)
        raise Unusable("not_readable", f"{shown} cannot be read: {reason}.", way_out(error)) from error
