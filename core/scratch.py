"""Private folders for what is only needed for a moment: none outlives its process for long, even if that is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from batchtui.core.files import part_of, sweep

Note = Callable[[Path], None]
"""Called with the path of something unfinished, before that is made."""

NAME = "batchtui"
"""What `sweep` finds them by."""


@contextmanager
def scratch(folder: Path, note: Note | None = None) -> Iterator[tuple[Path, int]]:
    """A private folder in `folder` for a `with` block, and the lock that shows that somebody is using it.

    Those of dead processes are removed first.
    """
    sweep(folder, NAME)
    made, lock = _locked(folder, note)
    try:
        yield made, lock
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(lock)


def _locked(folder: Path, note: Note | None) -> tuple[Path, int]:
    """A new folder, and its lock. If somebody swept the folder away before it was locked, makes another."""
    while True:
        made = part_of(folder / NAME)
        if note:
            note(made)
        made.mkdir(mode=0o700)
        try:
            lock = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        except OSError:  # a file system without locks: nothing is swept there either
            return made, lock
        if made.exists():
            return made, lock
        os.close(lock)
