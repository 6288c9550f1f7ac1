"""Results on disk: found by an index of offsets, so that one row is read without the rest.

A line that cannot be read is a row of the type `unreadable`: it is shown, exported and never dropped.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Literal, NamedTuple, Self

from msgspec import Struct

from batchtui.core import line
from batchtui.core.cost import Tokens
from batchtui.core.errors import StateError
from batchtui.core.requests import archived_ids

Type = Literal["succeeded", "errored", "canceled", "expired", "unreadable"]

_BLOCK = 1 << 20


class Head(NamedTuple):
    """`detail` is the first line of the answer, or the error. Hostile text, as it came."""

    custom_id: str
    type: Type
    detail: str


class Row(Struct, frozen=True, kw_only=True):
    """One result. `text` is the text blocks of the answer, joined. Hostile text, as it came."""

    custom_id: str
    type: Type
    text: str = ""
    stop_reason: str = ""
    model: str = ""
    error_type: str = ""
    error_message: str = ""
    request_id: str = ""
    tokens: Tokens | None = None


class Results:
    """The lines of one results file, by index in the order of the file. Reading is safe from several threads."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self._file = file
        self._starts = array("Q")
        self._ends = array("Q")
        self._ids: list[str] | None = None
        self._by_id: dict[str, int] = {}
        self._scan()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Finds where the lines are: one pass over the bytes, nothing decoded.

        Raises:
            StateError: the file is not there or cannot be read.
        """
        try:
            file = path.open("rb", buffering=0)
        except OSError as error:
            raise StateError(
                f"The results in {path} cannot be read: {error.strerror}.", "Retrieve the batch again."
            ) from error
        return cls(path, file)

    def _scan(self) -> None:
        at = start = 0
        while block := os.pread(self._file.fileno(), _BLOCK, at):
            found = block.find(b"\n")
            while found >= 0:
                self._mark(start, at + found)
                start = at + found + 1
                found = block.find(b"\n", found + 1)
            at += len(block)
        self._mark(start, at)

    def _mark(self, start: int, end: int) -> None:
        if not (end - start <= line.BLANK and line.blank(os.pread(self._file.fileno(), end - start, start))):
            self._starts.append(start)
            self._ends.append(end)

    def __len__(self) -> int:
        return len(self._starts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def raw(self, index: int) -> bytes:
        """The line as the API sent it, without its line break."""
        start = self._starts[index]
        return os.pread(self._file.fileno(), self._ends[index] - start, start).removesuffix(b"\r")

    def row(self, index: int) -> Row:
        """One result with its answer."""
        return read_row(self.raw(index))

    def head(self, index: int) -> Head:
        """What a table shows of one result."""
        row = self.row(index)
        if row.type == "succeeded":
            answer = row.text.lstrip()[:2000].partition("\n")[0]
            return Head(row.custom_id, row.type, answer or f"(no text; {row.stop_reason})")
        said = ": ".join(part for part in (row.error_type, row.error_message) if part)
        return Head(row.custom_id, row.type, said)

    def find(self, custom_id: str) -> int | None:
        """Where the (first) result of a request is. The first call reads the whole file once."""
        self.ids()
        return self._by_id.get(custom_id)

    def ids(self) -> list[str]:
        """The custom_id of each line, "" where it has none. The first call reads the whole file once."""
        if self._ids is None:
            ids = [read_id(self.raw(index)) for index in range(len(self))]
            for index, custom_id in enumerate(ids):
                self._by_id.setdefault(custom_id, index)
            self._ids = ids
        return self._ids

    def order(self, archive: Path | None) -> list[int]:
        """All indexes in the order of the archived requests, what is not among them at the end; else as in the file.

        Raises:
            StateError: the archive is there but cannot be read.
        """
        if archive is None:
            return list(range(len(self)))
        place = {custom_id: number for number, custom_id in enumerate(archived_ids(archive))}
        ids = self.ids()
        return sorted(range(len(self)), key=lambda index: place.get(ids[index], len(place)))

    def in_order(self, archive: Path | None = None) -> Iterator[Row]:
        """Every result in the order of `order`, one in memory at a time."""
        return (self.row(index) for index in self.order(archive))


def read_row(raw: bytes) -> Row:
    """A raw result line, understood."""
    try:
        full = line.decode_full(raw)
    except ValueError as error:
        return Row(custom_id=read_id(raw), type="unreadable", error_message=str(error))
    match full.result:
        case line.Answered(message):
            return Row(
                custom_id=full.custom_id,
                type="succeeded",
                text="".join(block.text or "" for block in message.content if block.type == "text"),
                stop_reason=message.stop_reason or "",
                model=message.model,
                tokens=message.usage.tokens if message.usage else None,
            )
        case line.Errored(envelope):
            return Row(
                custom_id=full.custom_id,
                type="errored",
                error_type=envelope.error.type,
                error_message=envelope.error.message,
                request_id=envelope.request_id or "",
            )
        case line.Canceled():
            return Row(custom_id=full.custom_id, type="canceled")
        case line.Expired():
            return Row(custom_id=full.custom_id, type="expired")


def read_id(raw: bytes) -> str:
    """Whose a raw result line is, "" where it does not say."""
    try:
        return line.decode_id(raw)
    except ValueError:
        return ""
