"""The archive: keeps the rows of each batch, as they were submitted, under its ref."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta, Struct

from batchtui.core.batches.batch import Part
from batchtui.core.batches.limits import body_size
from batchtui.core.errors import StateError
from batchtui.core.files import is_there
from batchtui.core.paths import Paths
from batchtui.core.text import inert_line

_BLOCK = 1 << 20
_AGAIN = "the requests cannot be sent again."
KEYS_BACK = "Restore the file from a copy; without it, answers cannot be matched to the source's rows."
_PUT_BACK = "They were not sent. Put the file back from a copy, or cancel the waiting requests and submit them again."


class _Id(Struct):
    custom_id: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}\Z")]


_read = msgspec.json.Decoder(_Id).decode


def new_ref() -> str:
    """A new name of our own for one batch."""
    return f"b{secrets.token_hex(4)}"


def submission_of(ref: str) -> str:
    """The name of the submission whose first part has this ref."""
    return f"s{ref[1:]}"


def id_of(row: bytes) -> str | None:
    """The custom_id of one row; None if it has none that the API would accept."""
    try:
        return _read(row).custom_id
    except (ValueError, RecursionError):
        return None


def digest(custom_ids: Iterable[str]) -> str:
    """The sha256 over the sorted ids, one per line, so that the order of the requests does not matter."""
    return hashlib.sha256("\n".join(sorted(custom_ids)).encode()).hexdigest()


def archived_ids(archive: Path) -> list[str]:
    """The custom_ids of archived rows, in the order of the rows.

    Raises:
        StateError: the archive cannot be read, or is not what `check` wrote.
    """
    with (
        _readable(archive, "results cannot be matched to their requests."),
        archive.open("rb", buffering=_BLOCK) as file,
    ):
        return [_read(row).custom_id for row in file]


def copy_rows(
    source: Path,
    ids: Collection[str],
    sink: BinaryIO,
    later: Iterable[Path] = (),
    edit: Callable[[bytes, str, Path], bytes] = lambda row, _name, _path: row,
) -> int:
    """Copies the lines with these custom_ids, in the order of `source`, and returns how many it copied.

    A row may have been edited, so each comes from the last file of `later` that has it, or else from `source`. `edit`
    makes the copy of a row, given its custom_id and the file that it comes from.

    Raises:
        StateError: a file is missing, or is not what was archived.
    """
    copied = 0
    newest: dict[str, tuple[Path, BinaryIO, int, int]] = {}
    with ExitStack() as files:
        for path in later:
            with _readable(path, _AGAIN):
                newer = files.enter_context(path.open("rb", buffering=_BLOCK))
                start = 0
                for row in newer:
                    if (name := _read(row).custom_id) in ids:
                        newest[name] = (path, newer, start, len(row))
                    start += len(row)
        with _readable(source, _AGAIN), source.open("rb", buffering=_BLOCK) as file:
            for row in file:
                if (name := _read(row).custom_id) not in ids:
                    continue
                path = source
                if name in newest:
                    path, newer, start, length = newest[name]
                    newer.seek(start)
                    row = newer.read(length)
                sink.write(edit(row, name, path))
                copied += 1
    return copied


def keys_of(paths: Paths, ref: str, submission: str, *, of_job: bool) -> Path | None:
    """The file of a part's keys; None if no job made it, which `of_job` and the job of its submission tell.

    Raises:
        StateError: it is gone. What it says would else be taken for nothing: no key was sent, no row has a column.
    """
    keys = paths.keys(ref)
    if is_there(keys):
        return keys
    if of_job or is_there(paths.job(submission)):
        raise StateError(f"The keys in {inert_line(str(keys))} are gone.", KEYS_BACK)
    return None


@contextmanager
def _readable(archive: Path, without_it: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise StateError(
            f"The archived requests in {inert_line(str(archive))} cannot be read: {inert_line(str(error), 120)}",
            f"Put the file back from a copy; without it {without_it}",
        ) from error


def check_archive(archive: Path, part: Part) -> None:
    """Checks, before a part is sent, that its rows are there and have the size they had when they were checked.

    Raises:
        StateError: they are missing or have another size.
    """
    try:
        whole = body_size(archive.stat().st_size) == part.bytes
    except OSError as error:
        raise StateError(f"The requests in {archive} cannot be read: {error.strerror}.", _PUT_BACK) from error
    if not whole:
        raise StateError(f"The requests in {archive} are not the ones that were checked.", _PUT_BACK)


def drop(refs: Iterable[str], paths: Paths) -> None:
    """Removes the archived rows of these refs and their keys. Raises OSError."""
    for ref in refs:
        paths.archive(ref).unlink(missing_ok=True)
        paths.keys(ref).unlink(missing_ok=True)
