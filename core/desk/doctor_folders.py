"""Checks our folders and files: that only this user can read and change them, and that one machine uses them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote

from batchtui.core.desk.doctor_check import Check, Trouble, summed
from batchtui.core.desk.doctor_mounts import shared_by
from batchtui.core.errors import BatchtuiError
from batchtui.core.files import locked_file, own_way_out, part_of
from batchtui.core.paths import Paths, is_folder, seen
from batchtui.core.reading import read_text
from batchtui.core.toml import LONGEST, read_toml

NAME = "folders"

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_CHANGE = stat.S_IWGRP | stat.S_IWOTH
_MOST = 50_000
"""Files that are looked at."""

_TRIAL = 4096
"""Bytes that are written to see whether that is possible."""


def look(paths: Paths) -> Check:
    """Changes nothing but for a file that is written and removed again."""
    inside = [one for one in (paths.requests, paths.results) if os.path.lexists(one)]
    places = dict.fromkeys((paths.data, paths.config, paths.log, *inside))
    troubles = [one for folder in places for one in _folder(folder)]
    if not troubles and is_folder(paths.data):
        troubles += [*_written(paths.data), *_files(paths)]
    if shared := shared_by(paths.data):
        said = f"{paths.data} is on {shared}: two machines can write it at once, and its locks may not hold."
        troubles.append(Trouble(said, "Set BATCHTUI_HOME to a folder on a disk of this machine alone."))
    made = "" if is_folder(paths.data) else ", made when first needed"
    return summed(NAME, troubles, f"{paths.data}{made}: yours alone, and writable.")


def _folder(folder: Path) -> Iterator[Trouble]:
    try:
        about = folder.stat()
    except FileNotFoundError:
        yield from _missing(folder)
        return
    except OSError as error:
        yield Trouble(f"{folder} cannot be seen: {error.strerror}.", own_way_out(error))
        return
    if not stat.S_ISDIR(about.st_mode):
        hint = f"Move {folder.name} to another place, or set BATCHTUI_HOME to a folder that you own."
        yield Trouble(f"{folder} is not a folder.", hint)
        return
    yield from _owned(folder, about)
    if about.st_uid == os.geteuid() and about.st_mode & _OTHERS:
        can = "change what is in" if about.st_mode & _CHANGE else "read"
        mode = stat.S_IMODE(about.st_mode)
        yield Trouble(f"Other users can {can} {folder} ({mode:04o}).", f"chmod 700 {quote(str(folder))}")
    if about.st_uid == os.geteuid() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Trouble(f"{folder} cannot be read or written.", _way_out(folder))


def _missing(folder: Path) -> Iterator[Trouble]:
    """What would keep a folder from being made."""
    if folder.is_symlink():
        hint = "Make that folder, or mount its disk; or remove the link."
        yield Trouble(f"{folder} is a link to {folder.readlink()}, which is not there.", hint)
        return
    above = next((one for one in folder.parents if seen(one)), Path("/"))
    if not is_folder(above) or not os.access(above, os.W_OK | os.X_OK):
        yield Trouble(f"{folder} cannot be made in {above}.", _way_out(above))


def _way_out(folder: Path) -> str:
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    return own_way_out(OSError(errno.EROFS if read_only else errno.EACCES, ""))


def _owned(path: Path, about: os.stat_result) -> Iterator[Trouble]:
    if about.st_uid != os.geteuid():
        hint = f"Run batchtui as that user, or: sudo chown -R {os.geteuid()} {quote(str(path))}"
        yield Trouble(f"{path} belongs to the user with the number {about.st_uid}, not to you.", hint)


def _written(folder: Path) -> Iterator[Trouble]:
    """What happens if something is written: quotas, full disks and odd shares show only then."""
    try:
        path, file = locked_file(lambda token: part_of(folder / "doctor", token))
        try:
            with file:
                file.write(bytes(_TRIAL))
                file.flush()
                os.fsync(file.fileno())
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        yield Trouble(f"Nothing can be written in {folder}: {error.strerror}.", own_way_out(error))


def _files(paths: Paths) -> Iterator[Trouble]:
    known = []
    for one in _ours(paths):
        with suppress(FileNotFoundError):  # others make and remove files all the time
            known.append((one, one.lstat()))
    for one, about in known:
        if about.st_uid != os.geteuid():
            yield from _owned(one, about)
            return
    for one, about in known:  # the state and the locks have checks of their own
        if not stat.S_ISREG(about.st_mode) and one != paths.state and one.suffix != ".lock":
            away = quote(f"{one}.away")
            yield Trouble(f"{one} is not a regular file.", f"Move it away: mv {quote(str(one))} {away}")
    open_to_others = [one for one, about in known if stat.S_ISREG(about.st_mode) and about.st_mode & _OTHERS]
    if open_to_others:
        more = f" and {len(open_to_others) - 1:,} more" if len(open_to_others) > 1 else ""
        folders = " ".join(quote(str(one)) for one in dict.fromkeys((paths.data, paths.log)))
        said = f"The modes of {open_to_others[0]}{more} let other users in."
        yield Trouble(said, f"chmod -R go= {folders}")
    yield from _settings(paths.settings)


def _ours(paths: Paths) -> Iterator[Path]:
    yield from (paths.state, *paths.locks, paths.log_lock)
    yield from paths.log.glob(f"{paths.log_file.name}*")
    left = _MOST
    for folder in (paths.requests, paths.results):
        if is_folder(folder):
            for one in folder.iterdir():
                left -= 1
                if left < 0:
                    return
                yield one


def _settings(path: Path) -> Iterator[Trouble]:
    """A person writes it, so others may read it, unless it holds the addresses that notices go to."""
    if not (about := seen(path)):
        return
    yield from _owned(path, about)
    try:
        secret = "notify" in read_toml(read_text(path, LONGEST))
    except (OSError, ValueError, BatchtuiError):
        secret = False  # the check `config` says what is wrong with it
    if about.st_mode & (_OTHERS if secret else _CHANGE):
        can = "read the addresses for notices in" if secret and not about.st_mode & _CHANGE else "change"
        yield Trouble(f"Other users can {can} {path}.", f"chmod 600 {quote(str(path))}")
