"""What all outputs share: their task, progress, explanations of disk errors, and options."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from batchtui.core.errors import BadInput, BatchtuiError, way_out
from batchtui.core.outputs.guard import UNGUARDED, Guard
from batchtui.core.paths import LONGEST_NAME, is_folder, seen
from batchtui.core.results.answers import Answers, KeyedResult
from batchtui.core.text import inert_line

Report = Callable[[int, int], None]
"""Called with the rows done and their total."""

Usable = Literal["answered", "cut", "refused", "paused", "unfit"]
"""Outcomes with a message."""

Judge = Callable[[str, str], None]
"""Called with the custom_id of an answer that an output cannot use, and why."""

There = Literal["refuse", "same", "replace"]
"""What to do with an existing file: refuse it, refuse it unless it is identical, or replace it."""

_STEP = 500

T = TypeVar("T")


class TargetExists(BadInput):
    """Something is already there. This is a question to the user, not a failure."""


class NotWritten(BatchtuiError):
    """The disk, the folder or its permissions did not allow it. Nothing that is half written has a final name."""

    code = "output_failed"


class Work(Struct, frozen=True, kw_only=True):
    """The task of an output: where to write, and how. `scope` names the requests in ledgers; `now` is for the values.

    Once `leave` is set, nobody waits for the output any more: a running program is ended. A program gets `environment`;
    without it, this process's own, with no key in it. `guard` knows the files that must not be replaced. `note` is
    called with the path of each temporary folder before it is made, so that it can be removed if this process is
    killed. `unfit` hears of each complete answer that does not fit.
    """

    path: Path
    there: There
    scope: str = ""
    now: datetime | None = None
    report: Report | None = None
    leave: Event | None = None
    environment: Mapping[str, str] | None = None
    guard: Guard = UNGUARDED
    note: Callable[[Path], None] | None = None
    unfit: Judge | None = None


class Written(NamedTuple):
    """What an output did: how many rows it wrote, how many answers met no row of the user's table, how many cells were
    changed so that no spreadsheet runs them, and which answers have no file, in words."""

    rows: int
    unmatched: int = 0
    guarded: int = 0
    unnamed: str = ""


class Options(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options that every kind has. `when` says which rows go there: see `core.outputs.when`. `take` says which
    outcomes count as answers: a message that was cut off, say, is of use somewhere."""

    overwrite: bool = False
    when: dict[str, Any] = msgspec.field(default_factory=dict)
    take: frozenset[Usable] = frozenset({"answered"})

    def takes(self, answer: KeyedResult) -> bool:
        """Whether a result counts as an answer."""
        return answer.result.outcome in self.take


def read_options(kind: str, said: Mapping[str, Any], shape: type[T]) -> T:
    """The options of an output, in the form of its kind. Raises BadInput that names the field."""
    try:
        return msgspec.convert(dict(said), shape)
    except msgspec.ValidationError as error:
        known = ", ".join(field.name for field in msgspec.structs.fields(shape))  # type: ignore[arg-type]
        reason = inert_line(str(error).replace("$.", "").removesuffix(" - at `$`"))
        raise BadInput(f"The {kind} output: {reason}.", f"Its options are: {known}.") from error


def make_folder(folder: Path) -> None:
    """Makes the folder and those above it. Raises BadInput if a file is in the way, else OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadInput(f"{shown(error.filename)} is not a folder.", "Choose another place.") from error


def can_hold(path: Path, longest: int = LONGEST_NAME) -> None:
    """Raises BadInput if a path is too long, or a file is in the way of its folder, or of one above it."""
    for name in path.parts:
        if len(os.fsencode(name)) > (longest if name == path.name else LONGEST_NAME):
            raise BadInput(f"{shown(path)}: a name in it has over {longest} bytes.", "Give a shorter name.")
    folder = path.parent
    there = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
    if os.path.lexists(there) and not there.is_dir():
        raise BadInput(f"{shown(there)} is not a folder.", "Choose another place.")


def only_a_file(path: Path) -> None:
    """Raises BadInput if there is a folder at the path of a file, or a device or a pipe: replacing would remove it.

    A stream such as /dev/stdout is none, even while it leads to a file: another process has another one.
    """
    if is_folder(path):
        raise BadInput(f"{shown(path)} is a folder.", "Give the name of a file in it.")
    if is_device(path):
        raise BadInput(f"{shown(path)} is a device or a pipe, not a file.", "Choose another place.")


def is_device(path: Path) -> bool:
    """Whether a device, a pipe or a stream of a process is at a path."""
    if path.parts[:2] in (("/", "dev"), ("/", "proc")) and path.parts[2:3] != ("shm",) and path.is_symlink():
        return True
    about = seen(path)
    return about is not None and not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode))


def taken(path: Path, there: There = "refuse", more: str = " already exists") -> TargetExists:
    """The error for an existing target; the hint says how an export or a job would replace it."""
    if there == "same":
        hint = "Move it away, then: batchtui retrieve BATCH. A job whose output has overwrite = true replaces it."
    else:
        hint = "Choose another place, or overwrite: --force"
    return TargetExists(f"{shown(path)}{more}.", hint)


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Explains why `path` could not be written."""
    try:
        yield
    except FileExistsError as error:
        raise taken(Path(error.filename2 or error.filename or path)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise NotWritten(f"{shown(path)} could not be written: {inert_line(reason)}.", way_out(error)) from error


def each(answers: Answers, report: Report | None, done: Sequence[str] = ()) -> Iterator[KeyedResult]:
    """The answers except those that are `done`. Reports progress now and then, and at the end."""
    total = len(answers)
    for number, answer in enumerate(answers.rest(done), len(done)):
        if report and (number - len(done)) % _STEP == 0:
            report(number, total)
        yield answer
    if report:
        report(total, total)


def shown(path: str | Path) -> str:
    """A path, for use in a sentence."""
    return inert_line(os.fspath(path))
