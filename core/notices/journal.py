"""The journal: every event once, one a line, in the order in which it was found. Whoever tells events reads on here.

It is written under the state's lock, before the state says that an event is recorded: a process that dies in between
finds the event again, and the journal knows its id.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from batchtui.core.clock import Time
from batchtui.core.files import replacing, sync_folder

LIMIT = 16_000_000
"""The most bytes of the journal; beyond that, the older half is dropped."""


_HEAD = 48
"""So many bytes at its beginning tell a journal from the one that it was before the older half was dropped."""


class _Id(Struct, frozen=True, gc=False):
    id: str


class Line(Struct, frozen=True, gc=False):
    """An event with its number, which only grows, and when it was found. `event` is its JSON, as it is told."""

    seq: int
    seen: Time
    event: msgspec.Raw

    @property
    def text(self) -> str:
        """The JSON of the event on one line, in ASCII."""
        return bytes(self.event).decode("ascii", errors="replace")


class Mark(Struct, frozen=True):
    """How far somebody has read: up to the line `seq`, which ends at `offset` of the file that begins with `head`."""

    seq: int = 0
    inode: int = 0
    offset: int = 0
    head: bytes = b""


_line = msgspec.json.Decoder(Line)
_id = msgspec.json.Decoder(_Id)


def read_on(path: Path, mark: Mark) -> tuple[list[Line], Mark]:
    """The lines after a mark, and the mark after them. Whatever is not a whole line of ours is passed over.

    Costs one stat if there is nothing new. Raises OSError, but not if there is no journal.
    """
    try:
        about = path.stat()
        if (about.st_ino, about.st_size) == (mark.inode, mark.offset):
            return [], mark
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except FileNotFoundError:
        return [], Mark(mark.seq)
    with file:
        about = os.fstat(file.fileno())
        head = file.read(_HEAD)
        same = head and head == mark.head and about.st_ino == mark.inode and about.st_size >= mark.offset
        start = mark.offset if same else 0
        file.seek(start)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    lines = []
    for raw in whole.split(b"\n"):
        with suppress(ValueError, RecursionError):
            line = _line.decode(raw)
            if line.seq > mark.seq:
                lines.append(line)
    head = head if len(head) == _HEAD else b""
    return lines, Mark(lines[-1].seq if lines else mark.seq, about.st_ino, start + len(whole), head)


def encoded(event: Mapping[str, Any]) -> str:
    """The JSON of an event on one line, in ASCII, so that it is harmless on a terminal."""
    return json.dumps(event)


class Journal:
    """The journal as one process writes it. Its numbers go on above `reached`: so far somebody has read, maybe one that
    is gone by now."""

    def __init__(self, path: Path, reached: Callable[[], int] = lambda: 0) -> None:
        self._path = path
        self._reached = reached
        self._mark = Mark()
        self._ids: set[str] = set()

    def last(self) -> int:
        """The number of the newest line; 0 if there is none. Raises OSError."""
        lines, self._mark = read_on(self._path, self._mark)
        for line in lines:
            with suppress(ValueError):
                self._ids.add(_id.decode(line.event).id)
        return self._mark.seq

    def add(self, events: Sequence[Mapping[str, Any]], now: datetime) -> None:
        """Appends the events that are not there yet, durably. Only one process at a time may do so. Raises OSError."""
        seq = self.last()
        new = [one for one in events if one["id"] not in self._ids]
        if not new:
            return
        seq, is_new = max(seq, self._reached()), not self._path.exists()
        lines = [
            f'{{"seq":{number},"seen":"{now.isoformat()}","event":{encoded(one)}}}\n'
            for number, one in enumerate(new, seq + 1)
        ]
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self._path, flags, 0o600), "wb") as file:
            whole = self._mark.offset if not is_new else 0  # what a killed process left of a line is written over
            file.seek(whole)
            file.write("".join(lines).encode())
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if is_new:
            sync_folder(self._path.parent)
        if size > LIMIT:
            self._drop_older()

    def _drop_older(self) -> None:
        """Keeps the newer half, as a new file: whoever reads on finds its place by the number."""
        data = self._path.read_bytes()
        half = data.find(b"\n", len(data) // 2) + 1
        with replacing(self._path) as file:
            file.write(data[half:])
