"""Writes files so that a name always refers to a whole file or to none."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batchtui.core.errors import StateError, way_out

PART_NAME = re.compile(r"\.(batchtui\.\w+|.+\.[0-9a-f]{8})\.part", re.DOTALL)
"""The name of something that is being made. Nobody else gives such names."""

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
        raise _no_folder(path, error) from error
    if about.st_uid == os.geteuid() and about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        with suppress(OSError):
            path.chmod(0o700)
            about = path.stat()
    if about.st_uid not in (os.geteuid(), 0) or about.st_mode & stat.S_IWOTH:
        raise StateError(f"Other users can write to {path}.", f"Make it private: chmod 700 {path}")
    return path


def _no_folder(path: Path, error: OSError) -> StateError:
    """Why a folder cannot be used: something else may be in its place, or in that of one above it."""
    for there in (path, *path.parents):
        if there.is_symlink() and not there.exists():
            what = f"{path} cannot be used: {there} is a link to {there.readlink()}, which is not there."
            return StateError(what, "Make that folder, or mount its disk; or remove the link.")
        if there.exists():
            if there.is_dir():
                break
            hint = f"Move {there.name} to another place, or set BATCHTUI_HOME to a folder that you own."
            return StateError(f"{path} cannot be used: {there} is not a folder.", hint)
    return StateError(f"{path} cannot be used: {error.strerror}.", own_way_out(error))


def own_way_out(error: OSError) -> str:
    """What to do about a folder or disk of ours that did not let us write."""
    return _OWN.get(error.errno or 0) or way_out(error)


_OWN = {
    errno.EROFS: "The disk is read-only: set BATCHTUI_HOME to a folder on another disk.",
    errno.EACCES: "Give yourself write access to the folder, or set BATCHTUI_HOME to a folder that you own.",
    errno.EPERM: "Give yourself write access to the folder, or set BATCHTUI_HOME to a folder that you own.",
}


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


def part_of(path: Path, token: str = "") -> Path:
    """A name beside `path` for what will be called that."""
    return path.with_name(f".{path.name[:40]}.{token or secrets.token_hex(4)}.part")


def locked_file(name: Callable[[str], Path], *, mode: int = 0o600) -> tuple[Path, BinaryIO]:
    """Makes a new file that stays locked while its process lives. `name` makes its path from a random token."""
    while True:
        path = name(secrets.token_hex(4))
        file = create(path, mode=mode)
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:  # else somebody took it for left behind, before the lock
            return path, file
        file.close()


class NewFile:
    """A file that takes the name `path` only once it is complete and on disk.

    It stays locked while its process lives, so that `sweep` can tell which files a dead process left behind. With
    `overwrite` false, an existing `path` raises FileExistsError, even if it appeared in the meantime. `note` is called
    with the path of the unfinished file before that is made.
    """

    def __init__(
        self,
        path: Path,
        *,
        mode: int = 0o600,
        overwrite: bool = True,
        note: Callable[[Path], None] | None = None,
    ) -> None:
        if not overwrite and os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self._path = path
        self._overwrite = overwrite

        def part(token: str) -> Path:
            made = part_of(path, token)
            if note:
                note(made)
            return made

        self.path, self.file = locked_file(part, mode=mode)
        """Where the unfinished file is, and the file."""

    def keep(self) -> None:
        """Gives the file its name. On an exception the new file is removed and the old one stays."""
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            if self._overwrite:
                self.path.replace(self._path)
            else:
                give_new_name(self.path, self._path)
        except BaseException:
            self.drop()
            raise
        with suppress(OSError):  # all of it is on the disk
            self.file.close()
        sync_folder(self._path.parent)

    def drop(self) -> None:
        """Removes the unfinished file."""
        with suppress(OSError):
            self.path.unlink()
        with suppress(OSError):
            self.file.close()


@contextmanager
def replacing(
    path: Path, *, mode: int = 0o600, overwrite: bool = True, note: Callable[[Path], None] | None = None
) -> Iterator[BinaryIO]:
    """A `NewFile` for a with block: kept at the end of the block, dropped on an exception."""
    part = NewFile(path, mode=mode, overwrite=overwrite, note=note)
    try:
        yield part.file
    except BaseException:
        part.drop()
        raise
    part.keep()


def sweep(folder: Path, name: str = "") -> None:
    """Removes the unfinished files and folders that dead processes left in a folder; with `name`, those of that file.

    A folder that may also hold other people's files is swept only with a name.
    """
    for left in folder.glob(f".{name}.*.part" if name else ".*.part"):
        remove_if_dead(left)


def remove_if_dead(left: Path) -> bool:
    """Removes something unfinished unless its process lives, or may live. Returns whether it is gone."""
    if not PART_NAME.fullmatch(left.name):
        return False
    try:
        descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return not os.path.lexists(left)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            shutil.rmtree(left)
        elif stat.S_ISREG(os.fstat(descriptor).st_mode):
            left.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return not os.path.lexists(left)
