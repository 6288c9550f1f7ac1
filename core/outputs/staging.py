"""A separate folder where the files of an output are made, until all are complete and get their names."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batchtui.core.files import give_new_name, sync_folder
from batchtui.core.outputs.guard import Guard
from batchtui.core.outputs.target import There, make_folder, only_a_file, os_errors, taken
from batchtui.core.scratch import Note, scratch
from batchtui.core.text import plural

_FEW = 8
"""Up to this many files are synced to the disk one by one; more are synced with one call."""


class Stage:
    """The files that are being made for `folder`. Their names may already be taken there: see `There`."""

    def __init__(self, folder: Path, made: Path, there: There, guard: Guard) -> None:
        self.folder = folder
        self.there = there
        self._made = made
        self._guard = guard
        self._names: dict[str, None] = {}
        self._open: list[BinaryIO] = []
        self._stale: set[str] = set()

    def path(self, name: str) -> Path:
        """Where other code makes the file that will be called `name`."""
        self._names[name] = None
        return self._made / name

    def file(self, name: str) -> BinaryIO:
        """A new file that will be called `name`; it is closed when all files land."""
        file = self.path(name).open("xb")
        self._open.append(file)
        return file

    def write(self, name: str, data: bytes) -> None:
        """Writes a whole file at once."""
        with self.path(name).open("xb", buffering=0) as file:
            file.write(data)

    def without(self, name: str) -> None:
        """Names a file that an earlier run may have left: it is removed when replacing, unless this run makes it."""
        self._stale.add(name)

    def free(self, names: Sequence[str]) -> None:
        """Raises TargetExists, before any work is done, if one of the names is taken and must not be."""
        if self.there != "refuse" or not names:
            return
        if len(names) <= _FEW:
            found = [name for name in names if os.path.lexists(self.folder / name)]
        else:
            wanted = set(names)
            found = [entry.name for entry in os.scandir(self.folder) if entry.name in wanted]
        self._refuse(found)

    def _refuse(self, found: list[str]) -> None:
        if found:
            more = f" and {plural(len(found) - 1, 'other file')} already exist" if len(found) > 1 else " already exists"
            raise taken(self.folder / min(found), self.there, more)

    def land(self) -> None:
        """Gives all files their names once all are on the disk. If one cannot have its name, none keeps its own."""
        for file in self._open:
            file.close()
        self._to_disk()
        self._guard.refuse(self.folder, {**self._names, **dict.fromkeys(self._stale)})
        for name in self._names:
            only_a_file(self.folder / name)
        same = set()
        if self.there == "same":
            present = [name for name in self._names if os.path.lexists(self.folder / name)]
            same = {name for name in present if self._same(name)}
            self._refuse([name for name in present if name not in same])
        elif self.there == "refuse":
            self.free(list(self._names))
        landed: list[Path] = []
        try:
            for name in self._names:
                if name not in same:
                    self._land(name, landed)
        except BaseException:
            for path in landed:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise
        if self.there == "replace":
            for name in self._stale - self._names.keys():
                with suppress(OSError):  # what was made stands
                    (self.folder / name).unlink(missing_ok=True)
        sync_folder(self.folder)

    def _land(self, name: str, landed: list[Path]) -> None:
        made, final = self._made / name, self.folder / name
        if self.there == "replace":
            if final.is_file() and not final.is_symlink():
                with suppress(OSError):  # FAT and some shares have no modes
                    made.chmod(final.stat().st_mode & 0o777)
            made.replace(final)
        else:
            give_new_name(made, final)
            landed.append(final)

    def _same(self, name: str) -> bool:
        final = self.folder / name
        return final.is_file() and filecmp.cmp(self._made / name, final, shallow=False)

    def _to_disk(self) -> None:
        if len(self._names) > _FEW:
            os.sync()
            return
        for name in self._names:
            descriptor = os.open(self._made / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def drop(self) -> None:
        """Closes what did not land."""
        for file in self._open:
            with suppress(OSError):
                file.close()


@contextmanager
def staged(folder: Path, there: There, guard: Guard, note: Note | None = None) -> Iterator[Stage]:
    """A stage for a `with` block: at the end its files land in the order in which they were begun, or none does.

    Stages that were left by processes that are gone are removed first. `note` is called with the path of this one.

    Raises:
        TargetExists: a name is taken.
        BadInput: a name is that of a file in `guard`.
        NotWritten: the folder cannot be written to.
    """
    with os_errors(folder):
        make_folder(folder)
        with scratch(folder, note) as (made, _lock):
            stage = Stage(folder, made, there, guard)
            try:
                yield stage
                stage.land()
            finally:
                stage.drop()
