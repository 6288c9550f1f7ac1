"""Reads the log as it was written, in either format, across the files that were put aside, and follows it."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from batchtui.core.logs import KEPT
from batchtui.core.text import inert

ERRORS = frozenset({"ERROR", "CRITICAL"})

_TEXT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}) ([A-Z]+) (\d+) (.*)", re.DOTALL)
_LONGEST = 1_000_000


class Entry(Struct, frozen=True, omit_defaults=True):
    """One record of the log: when, how bad, which process, what; `trace` if an error had one. All texts are inert."""

    at: str
    level: str
    pid: int
    message: str
    trace: str = ""

    @property
    def bad(self) -> bool:
        """Whether a person must know of it."""
        return self.level in ERRORS

    def words(self) -> str:
        """The record as the text format has it."""
        below = f"\n{self.trace}" if self.trace else ""
        return f"{self.at} {self.level} {self.pid} {self.message}{below}".replace("\n", "\n    ")


class Entries:
    """Puts lines together to entries: what is indented belongs to the one before."""

    def __init__(self) -> None:
        self._open: Entry | None = None

    def add(self, line: str) -> Entry | None:
        """Takes one line. Returns the entry that it shows to be complete."""
        text = inert(line.rstrip("\n"))
        if self._open and text.startswith("    "):
            below = f"{self._open.trace}\n{text[4:]}" if self._open.trace else text[4:]
            self._open = msgspec.structs.replace(self._open, trace=below[:_LONGEST])
            return None
        done, self._open = self._open, _entry(text)
        return done

    def rest(self) -> Entry | None:
        """The entry that was not complete yet."""
        done, self._open = self._open, None
        return done


def last(path: Path, count: int, wanted: Callable[[Entry], bool]) -> list[Entry]:
    """The last entries that are wanted, oldest first."""
    return list(deque((one for one in _all(path) if wanted(one)), maxlen=count))


def _all(path: Path) -> Iterator[Entry]:
    entries = Entries()
    for file in [*(path.with_name(f"{path.name}.{number}") for number in range(KEPT, 0, -1)), path]:
        with suppress(FileNotFoundError), file.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            while line := lines.readline(_LONGEST):
                if done := entries.add(line):
                    yield done
    if done := entries.rest():
        yield done


class Follower:
    """Follows the log from its present end on, into the next file when this one is put aside."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = Entries()
        self._file: BinaryIO | None = None
        self._half = b""
        if file := self._opened():
            file.seek(0, 2)
            self._file = file

    def new(self) -> Iterator[Entry]:
        """What was written since the last call."""
        for line in self._lines():
            if done := self._entries.add(line):
                yield done
        if done := self._entries.rest():  # a record is written at once, so nothing of it is still to come
            yield done

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _lines(self) -> Iterator[str]:
        while True:
            if self._file:
                yield from self._rest_of(self._file)
            following = self._opened()
            if following is None:
                return
            if self._file and _same(self._file, following):
                following.close()
                if self._file.tell() > _size(self._file):  # it was cut, and begins again
                    self._file.seek(0)
                    continue
                return
            if self._file:
                yield from self._rest_of(self._file)  # what came before it was put aside
            self.close()
            self._file = following

    def _rest_of(self, file: BinaryIO) -> Iterator[str]:
        for line in file:
            whole = self._half + line
            if whole.endswith(b"\n"):
                self._half = b""
                yield whole.decode(errors="replace")
            else:
                self._half = whole[-_LONGEST:]

    def _opened(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except OSError:
            return None


def _same(one: BinaryIO, other: BinaryIO) -> bool:
    return os.path.sameopenfile(one.fileno(), other.fileno())


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _entry(text: str) -> Entry:
    if text.startswith("{"):
        with suppress(ValueError, RecursionError):
            read = msgspec.json.decode(text, type=Entry)
            return Entry(inert(read.at), inert(read.level), read.pid, inert(read.message), inert(read.trace))
    if match := _TEXT.fullmatch(text):
        at, level, pid, message = match.groups()
        return Entry(at, level, int(pid), message)
    return Entry("", "", 0, text)
