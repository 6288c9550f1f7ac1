"""Reads what the user names: ordinary files, and none that never ends or takes all memory."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from batchtui.core.errors import BadInput, way_out
from batchtui.core.text import inert_line, size

MOST = 32_000_000
"""The most bytes of a template, a job or the settings: the API takes no request that is larger."""

_KINDS = (
    (stat.S_ISDIR, "is a folder, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
    (stat.S_ISFIFO, "is a pipe, not a file"),
    (stat.S_ISSOCK, "is a socket, not a file"),
)
_MADE_UP = ("/proc/", "/sys/")


class NotText(BadInput):
    """A file that is not text in UTF-8."""


def why_no_file(path: Path) -> str:
    """What a path is instead of an ordinary file, such as `is a device, not a file`; empty if it is one.

    Raises:
        OSError: nothing can be seen there.
    """
    mode = path.stat().st_mode
    for is_kind, said in _KINDS:
        if is_kind(mode):
            return said
    return "is made up by the system, not a file" if os.path.realpath(path).startswith(_MADE_UP) else ""


def ordinary(path: Path) -> None:
    """Raises BadInput unless there is an ordinary file at the path; the message says what is there."""
    try:
        said = why_no_file(path)
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise BadInput(f"{inert_line(str(path))} is not a path.", "Check the path.") from error
    if said:
        raise BadInput(f"{inert_line(str(path))} {said}.", "Give an ordinary file.")


def unreadable(path: Path, error: OSError) -> BadInput:
    """The true reason why a file cannot be read, and what to do about it."""
    shown = inert_line(str(path))
    hint = way_out(error)
    if error.errno == errno.ENOENT:
        return BadInput(f"{shown} does not exist.", hint)
    return BadInput(f"{shown} cannot be read: {error.strerror or inert_line(str(error), 120)}.", hint)


def read_text(path: Path, most: int = MOST) -> str:
    """The text of an ordinary file in UTF-8, with or without a byte order mark, with line feeds between lines.

    Raises:
        NotText: it is not in UTF-8.
        BadInput: it is no such file, or has more than `most` bytes.
    """
    ordinary(path)
    from batchtui.core.file_kind import HEAD, not_text

    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) > most:
        raise BadInput(f"{inert_line(str(path))} has over {size(most)}.", "Give a smaller file.")
    if (other := not_text(data[:HEAD])) is not None:
        raise NotText(f"{inert_line(str(path))} is {other.what}.", other.do.replace("FILE", path.name))
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise NotText(f"{inert_line(str(path))}, line {line}: it is not UTF-8 text.", "Save it as UTF-8.") from error
