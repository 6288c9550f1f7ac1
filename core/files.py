"""Writing files so that a name stands for a whole file or for none."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batchtui.core.errors import StateError


def private_folder(path: Path) -> Path:
    """Makes the folder 0700 if it is not there, and checks that it is ours alone to write.

    Raises:
        StateError: it cannot be made, or others could change what is in it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = path.stat()
    except OSError as error:
        raise StateError(
            f"{path} cannot be used: {error.strerror}.", "Set BATCHTUI_HOME to a folder of yours."
        ) from error
    if about.st_uid == os.geteuid() and about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        with suppress(OSError):
            path.chmod(0o700)
            about = path.stat()
    if about.st_uid not in (os.geteuid(), 0) or about.st_mode & stat.S_IWOTH:
        raise StateError(f"Others may write to {path}.", f"Make it yours alone: chmod 700 {path}")
    return path


def sync_folder(folder: Path) -> None:
    """Makes what was renamed or removed in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create(path: Path, *, mode: int = 0o600) -> BinaryIO:
    """A new file for writing, never through a link and never over something that is there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, mode), "wb")


@contextmanager
def replacing(path: Path, *, mode: int = 0o600, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A file to write that takes the name `path` only once it is whole and on the disk.

    An exception inside leaves what was there before untouched and nothing of the new. With `overwrite` false an
    existing `path` raises FileExistsError, also when it came up meanwhile.
    """
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(17, "File exists", str(path))
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    file = create(part, mode=mode)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            part.replace(path)
        else:
            os.link(part, path)
            part.unlink()
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)
