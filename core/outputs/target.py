"""What all outputs share: a target that may be written, progress, and text that can be encoded."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from batchtui.core.errors import BadInput, BatchtuiError
from batchtui.core.files import replacing
from batchtui.core.text import inert_line

Report = Callable[[int, int], None]
"""Rows done, and of how many."""

_STEP = 500
_SURROGATES = re.compile("[\ud800-\udfff]")


class TargetExists(BadInput):
    """Something is there already; saying so is a question, not a failure."""


class NotWritten(BatchtuiError):
    """The disk, the folder or its permissions did not allow it. Nothing half written has a final name."""


@contextmanager
def written(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """A file that takes its name only when it is whole; its folder is made. An existing one keeps its mode.

    Raises:
        TargetExists: it is there, and `overwrite` is false.
        NotWritten: it cannot be.
    """
    with os_errors(path):
        if path.is_dir():
            raise BadInput(f"{shown(path)} is a folder.", "Give the name of a file in it.")
        make_folder(path.parent)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666
        with replacing(path, mode=mode, overwrite=overwrite) as file:
            yield file


def make_folder(folder: Path) -> None:
    """The folder and those above it. Raises BadInput where a file stands in the way, else OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadInput(f"{shown(error.filename)} is not a folder.", "Choose another place.") from error


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Says in words why `path` could not be written."""
    try:
        yield
    except FileExistsError as error:
        there = shown(error.filename2 or error.filename or path)
        raise TargetExists(f"{there} is there already.", "Choose another name, or overwrite: --force") from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = error.strerror or str(error)
        raise NotWritten(
            f"{shown(path)} could not be written: {inert_line(reason)}.",
            "Make room, then export again." if full else "Choose another place, or change its permissions.",
        ) from error


def each(order: Sequence[int], report: Report | None) -> Iterator[int]:
    """The indexes, with progress told now and then and at the end."""
    for done, index in enumerate(order):
        if report and done % _STEP == 0:
            report(done, len(order))
        yield index
    if report:
        report(len(order), len(order))


def whole(text: str) -> str:
    """The text with every half of a surrogate pair as U+FFFD, so that it can be UTF-8."""
    return _SURROGATES.sub("\ufffd", text)


def shown(path: str | Path) -> str:
    """A path in a sentence."""
    return inert_line(os.fspath(path))
