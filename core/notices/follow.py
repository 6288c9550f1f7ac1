"""Reads the journal on, for a process that prints events: from where the last such process has come."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

from batchtui.core.errors import StateError
from batchtui.core.files import own_way_out, private_folder
from batchtui.core.notices import standing
from batchtui.core.notices.journal import Journal, Line, Mark, read_on
from batchtui.core.paths import Paths

_MOST = 100


class Follower:
    """Holds one of the files that say how far events were seen, so that each of several such processes has its own.

    A process that starts takes the first file that no living process holds. After a kill that is the one of the killed
    process: what it did not print comes now. The first start of all begins with what is found from then on.
    """

    def __init__(self, paths: Paths) -> None:
        """Raises OSError."""
        self._path = paths.events
        self._file = _free_file(paths.events_seen)
        said = os.pread(self._file, 20, 0) if self._file is not None else b""
        if said.isdigit():
            self._mark = Mark(int(said))
        else:
            self._mark = Mark(max(Journal(paths.events).last(), reached(paths)))
            self.seen(self._mark.seq)

    def read(self) -> list[Line]:
        """The lines that came since the last call. Costs one stat if there are none. Raises OSError."""
        lines, self._mark = read_on(self._path, self._mark)
        return lines

    def seen(self, seq: int) -> None:
        """Notes that every line up to this one was printed: so many bytes at once are written whole or not at all."""
        if self._file is not None:
            with suppress(OSError):
                os.pwrite(self._file, b"%020d" % seq, 0)

    def close(self) -> None:
        """Leaves the file to the next process."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _free_file(place: Callable[[int], Path]) -> int | None:
    """The first of these files that nobody holds, locked. None where files cannot be locked: then nothing is noted."""
    for number in count(1):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(place(number), flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            if number == _MOST:
                return None
        except OSError:
            os.close(file)
            return None
        else:
            return file
    return None


def follow(paths: Paths) -> Follower:
    """A follower. Raises StateError if the folder of the state cannot be written."""
    try:
        private_folder(paths.data)
        return Follower(paths)
    except OSError as error:
        raise StateError(f"Events cannot be followed in {paths.data}: {error.strerror}.", own_way_out(error)) from error


def reached(paths: Paths) -> int:
    """The highest number of a line that any channel or follower has had."""
    numbers = [one.seq for one in standing.read(paths.notices).values()]
    for file in paths.data.glob(paths.events_seen(0).name.replace("0", "*")):
        with suppress(OSError, ValueError):
            numbers.append(int(file.read_bytes()))
    return max(numbers, default=0)
