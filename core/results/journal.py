"""The result lines of an unfinished run. Each is on disk before the next is requested, so that a run can resume."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Self

from msgspec import Struct

from batchtui.core.api import result_line
from batchtui.core.batches.remote import Counts
from batchtui.core.errors import Busy, StateError
from batchtui.core.files import sync_folder
from batchtui.core.text import inert_line


class Kept(Struct, frozen=True):
    """What a file of result lines holds: the custom_ids, the results by type, and the bytes of its whole lines."""

    ids: set[str]
    counts: Counts
    bytes: int


def kept(path: Path) -> Kept:
    """What is in a journal. A last line without its line feed was cut off by a kill and does not count.

    Raises:
        FileNotFoundError: there is none.
        StateError: a line is not a result, which a kill cannot cause.
    """
    ids: set[str] = set()
    types: Counter[str] = Counter()
    size = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                break
            try:
                decoded = result_line.decode(raw)
            except ValueError as error:
                raise StateError(
                    f"Line {number} of {path} is not a result: {inert_line(str(error), 120)}",
                    "Remove that line; its request is sent again.",
                ) from error
            ids.add(decoded.custom_id)
            types[kind_of(decoded)] += 1
            size += len(raw)
    return Kept(ids, Counts(**types), size)


def kind_of(decoded: result_line.Line) -> str:
    """The type of a result, as `Counts` names it."""
    return type(decoded.result).__name__.lower()


class Journal:
    """A journal. From the moment it is opened, only this process adds to it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._writing = threading.Lock()
        found = kept(path)
        self.ids = found.ids
        """The custom_ids whose results are here."""
        self._size = found.bytes
        os.ftruncate(descriptor, self._size)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens an existing journal and drops a last line that was cut off.

        Raises:
            FileNotFoundError: there is none, or no longer one.
            Busy: another process is adding to it.
            StateError: it cannot be used.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            _claim(path, descriptor)
            return cls(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def add(self, raw: bytes) -> None:
        """Appends one result line with its line feed. It is on disk when this returns. Call it from any thread.

        Raises:
            StateError: it could not be written; no part of it is left.
        """
        with self._writing:
            try:
                written = 0
                while written < len(raw):
                    written += os.write(self._descriptor, raw[written:])
                os.fsync(self._descriptor)
            except OSError as error:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                raise _unusable(self.path, error) from error
            self._size += len(raw)
            self.ids.add(result_line.decode_id(raw))

    def finish(self, path: Path) -> None:
        """Gives it its final name. The caller has verified it. Raises OSError."""
        self.path.replace(path)
        sync_folder(path.parent)

    def close(self) -> None:
        """Releases it to other processes, after a write under way is done. Adding to it after that fails."""
        with self._writing:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def _claim(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise Busy("Another batchtui is sending these requests right now.", "Wait for it, or stop it.") from error
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        raise _unusable(path, OSError(errno.EINVAL, "it is not a regular file"))
    if not os.path.samestat(about, path.lstat()):  # it was finished before we had the lock
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _unusable(path: Path, error: OSError) -> StateError:
    return StateError(
        f"The answers could not be written to {path}: {error.strerror or error}.",
        "Make room for them, or make sure that you may write to the file.",
    )
