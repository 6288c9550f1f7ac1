"""What a process is making and nothing names yet, so that another one can remove it once that process has died.

Between the writing of requests and the intent that names them, and while a file is made beside a target of the user's,
a kill would leave something that nobody knows. So a process first writes it down in a ticket, which it keeps locked
while it lives and removes when the state names what it made. Only what stands in a ticket whose lock is free, and is
not in the state, is removed: a file that no record names may also belong to a state that was put back from a backup.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Annotated, BinaryIO, Self

import msgspec
from msgspec import Meta, Struct

from batchtui.core.batches.batch import Snapshot
from batchtui.core.errors import BatchtuiError
from batchtui.core.files import locked_file, private_folder, remove_if_dead
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.state.archive import drop, new_ref, submission_of

_ENDING = ".ticket"
_REF = Annotated[str, Meta(pattern=r"^b[0-9a-f]{8}\Z")]


class _Line(Struct, omit_defaults=True):
    """One thing that is being made: the requests of a ref, or a temporary file or folder outside of our own."""

    ref: _REF | None = None
    path: str = ""


_line = msgspec.json.Decoder(_Line)


class Ticket:
    """The ticket of one piece of work, for a with block in a thread. If it cannot be written, the work goes on."""

    def __init__(self, paths: Paths) -> None:
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        with suppress(OSError, BatchtuiError):
            folder = private_folder(paths.requests)
            self._path, self._file = locked_file(lambda token: folder / f".{token}{_ENDING}")

    def new_ref(self) -> str:
        """A new name for one batch, whose files are removed if this process dies before the state has it."""
        ref = new_ref()
        self.note_ref(ref)
        return ref

    def note_ref(self, ref: str) -> None:
        """Writes down a ref: its files are nobody's as soon as the state does not have it."""
        self._note(_Line(ref=ref))

    def note_path(self, path: Path) -> None:
        """Writes down a temporary file or folder that is about to be made, outside of our own folders."""
        with suppress(UnicodeEncodeError):
            self._note(_Line(path=str(path.absolute())))

    def _note(self, line: _Line) -> None:
        if self._file:
            with suppress(OSError):
                self._file.write(msgspec.json.encode(line) + b"\n")
                self._file.flush()

    def close(self) -> None:
        """Ends it: what it names is in the state by now, or was removed."""
        with suppress(OSError):
            if self._path:
                self._path.unlink(missing_ok=True)
            if self._file:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@asynccontextmanager
async def ticket(paths: Paths) -> AsyncIterator[Ticket]:
    """A ticket for an async with block: no disk on the event loop."""
    made = await asyncio.to_thread(Ticket, paths)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.close)


class Abandoned(Struct, frozen=True):
    """A ticket of a dead process, locked by us, and what stands in it."""

    ticket: Path
    file: BinaryIO
    refs: frozenset[str]
    paths: tuple[Path, ...]


def abandoned(paths: Paths) -> list[Abandoned]:
    """The tickets of dead processes. Call it in a thread, and then `clear`. Creates nothing."""
    found = []
    for path in paths.requests.glob(f".*{_ENDING}"):
        with suppress(OSError):
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.append(_read(path, file))
            except OSError:  # its process lives, or nothing can be proven here
                file.close()
    return found


def _read(path: Path, file: BinaryIO) -> Abandoned:
    lines = []
    for said in file:
        with suppress(ValueError):  # the last line of a kill
            lines.append(_line.decode(said))
    refs = frozenset(line.ref for line in lines if line.ref)
    return Abandoned(path, file, refs, tuple(Path(line.path) for line in lines if line.path))


def clear(every: Collection[Abandoned], snapshot: Snapshot | None, paths: Paths) -> None:
    """Removes what dead processes left, then their tickets. Call it in a thread.

    `snapshot` was read after `abandoned`, so it has all that they recorded. Without one, nothing can be decided, and
    the tickets stay.
    """
    for one in every:
        with suppress(OSError):
            if snapshot is not None:
                _clear(one, snapshot, paths)
        one.file.close()


def nobodys(refs: Collection[str], snapshot: Snapshot) -> list[str]:
    """Those refs that no record names."""
    named = {batch.ref for batch in snapshot.batches}
    for submission in snapshot.submissions.values():
        named.update(submission.batches, (part.ref for part in submission.waiting))
    return sorted(set(refs) - named)


def _clear(one: Abandoned, snapshot: Snapshot, paths: Paths) -> None:
    refs = nobodys(one.refs, snapshot)
    drop(refs, paths)
    for ref in refs:
        if submission_of(ref) not in snapshot.submissions:
            paths.job(submission_of(ref)).unlink(missing_ok=True)
    kept = [path for path in one.paths if not remove_if_dead(path)]
    if not kept:  # else a program that it started still reads there
        one.ticket.unlink(missing_ok=True)
    if refs or one.paths:
        log.info("removed what an ended process left: %s", ", ".join([*refs, *map(str, one.paths)]))
