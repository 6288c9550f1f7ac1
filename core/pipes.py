"""Copies what a pipe gives, which can be read only once. No copy outlives its process for long: it holds prompts."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from batchtui.core.errors import BadInput, BatchtuiError
from batchtui.core.files import private_folder
from batchtui.core.paths import find_paths, is_folder
from batchtui.core.reading import unreadable
from batchtui.core.scratch import scratch
from batchtui.core.text import inert_line, size

MOST = 4_000_000_000
"""The most bytes that are taken from a pipe."""


@contextmanager
def steady(path: Path) -> Iterator[Path]:
    """A path that can be read more than once: the path itself, or a copy of all that a pipe gives.

    Raises:
        BadInput: the pipe gives too much, or cannot be read or copied.
    """
    try:
        is_pipe = stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):  # whoever reads it says why it cannot be read
        is_pipe = False
    if not is_pipe:
        yield path
        return
    with ExitStack() as stack:
        try:
            copy = _folder(stack) / path.name
            _copied(path, copy)
        except OSError as error:
            raise unreadable(path, error) from error
        yield copy


def _folder(stack: ExitStack) -> Path:
    """A folder of its own: among our files, or where the system keeps what is temporary if there are none yet, or they
    cannot be written."""
    with suppress(OSError, BatchtuiError):
        ours = find_paths().requests
        if is_folder(ours):
            return stack.enter_context(scratch(private_folder(ours)))[0]
    from tempfile import gettempdir

    return stack.enter_context(scratch(Path(gettempdir())))[0]


def _copied(pipe: Path, copy: Path) -> None:
    left = MOST
    with pipe.open("rb", buffering=0) as source, copy.open("wb") as sink:
        while data := source.read(1 << 20):
            left -= len(data)
            if left < 0:
                raise BadInput(f"{inert_line(str(pipe))} gives over {size(MOST)}.", "Give a file.")
            sink.write(data)
