"""Writes files so that a name always refers to a whole file or to none."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batchtui.core.errors import StateError

_PART = ".part"
_TRUE = frozenset({errno.EEXIST, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENAMETOOLONG})
"""What a rename would fail with as well."""


def private_folder(path: Path) -> Path:
    """Creates the folder and its missing parents with mode 0700, and checks that only this user can write to it.

    Raises:
        StateError: it cannot be created, or others could change its contents.
    """
    try:
        for above in reversed([one for one in path.parents if not one.exists()]):
            above.mkdir(mode=0o700, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        about = path.stat()
    except OSError as error:
        raise StateError(
            f"{path} cannot be used: {error.strerror}.", "Set BATCHTUI_HOME to a folder that you own."
        ) from error
    if about.st_uid == os.geteuid() and about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        with suppress(OSError):
            path.chmod(0o700)
            about = path.stat()
    if about.st_uid not in (os.geteuid(), 0) or about.st_mode & stat.S_IWOTH:
        raise StateError(f"Other users can write to {path}.", f"Make it private: chmod 700 {path}")
    return path


def is_there(path: Path) -> bool:
    """Whether one of our own files is there. Raises StateError if that cannot be seen."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        hint = "Change its permissions, or those of its folder."
        raise StateError(f"{path} cannot be read: {error.strerror}.", hint) from error
    return True


def sync_folder(folder: Path) -> None:
    """Makes renames and removals in a folder survive a power cut, where the file system can do that.

    Shares and FAT cannot, and a folder that may only be written to cannot be opened for it. What stands there is whole
    all the same, so nothing is raised.
    """
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def give_new_name(made: Path, final: Path) -> None:
    """Renames a finished file to a name that nothing has yet. Raises FileExistsError if something has it.

    A hard link does that in one step. Where there are none, an empty file claims the name first; it is removed again if
    the rename fails. Once the file has its name, nothing is raised.
    """
    try:
        os.link(made, final)
    except OSError as error:
        if error.errno in _TRUE:  # else it has no links; each file system says so in its own way
            raise
        create(final).close()
        try:
            made.replace(final)
        except BaseException:
            final.unlink(missing_ok=True)
            raise
    else:
        with suppress(OSError):
            made.unlink()


def create(path: Path, *, mode: int = 0o600) -> BinaryIO:
    """Opens a new file for writing. Never follows a link and never overwrites an existing file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, mode), "wb")


class NewFile:
    """A file that takes the name `path` only once it is complete and on disk.

    It stays locked while its process lives, so that `sweep` can tell which files a dead process left behind. With
    `overwrite` false, an existing `path` raises FileExistsError, even if it appeared in the meantime.
    """

    def __init__(self, path: Path, *, mode: int = 0o600, overwrite: bool = True) -> None:
        if not overwrite and os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self._path = path
        self._overwrite = overwrite
        while True:
            self._part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}{_PART}")
            self.file = create(self._part, mode=mode)
            with suppress(OSError):
                fcntl.flock(self.file, fcntl.LOCK_EX)
            if os.fstat(self.file.fileno()).st_nlink:  # else `sweep` removed it before the lock
                break
            self.file.close()

    def keep(self) -> None:
        """Gives the file its name. On an exception the new file is removed and the old one stays."""
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            if self._overwrite:
                self._part.replace(self._path)
            else:
                give_new_name(self._part, self._path)
        except BaseException:
            self.drop()
            raise
        with suppress(OSError):  # all of it is on the disk
            self.file.close()
        sync_folder(self._path.parent)

    def drop(self) -> None:
        """Removes the unfinished file."""
        with suppress(OSError):
            self._part.unlink()
        with suppress(OSError):
            self.file.close()


@contextmanager
def replacing(path: Path, *, mode: int = 0o600, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A `NewFile` for a with block: kept at the end of the block, dropped on an exception."""
    part = NewFile(path, mode=mode, overwrite=overwrite)
    try:
        yield part.file
    except BaseException:
        part.drop()
        raise
    part.keep()


def sweep(folder: Path) -> None:
    """Removes the unfinished files that dead processes left in a folder."""
    for left in folder.glob(f".*{_PART}"):
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(descriptor)
