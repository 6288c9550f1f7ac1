"""Files in a place that belongs to the person: written whole, and never over, nor removed with, somebody's changes.

A line in each says what the rest of it hashes to. Who changes the file and leaves the line alone is recognised.
"""

from __future__ import annotations

import re
from difflib import unified_diff
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from batchtui.core.errors import BatchtuiError, NotAllowed, way_out
from batchtui.core.files import replacing, sync_folder

_LARGEST = 1_000_000
_MARK = re.compile(r"^(?:# |<!-- )batchtui service file, sha256 ([0-9a-f]{64})(?: -->)?\n", re.MULTILINE)


class Standing(StrEnum):
    """What is at a path: nothing, a file that we made, one that was edited since, or something of somebody else's."""

    ABSENT = "absent"
    OURS = "ours"
    EDITED = "edited"
    FOREIGN = "foreign"


class ServiceFile(Struct, frozen=True):
    """A file to be written: its path and its whole text, with the mark."""

    path: Path
    text: str


def marked(path: Path, text: str) -> ServiceFile:
    """The file with a line that holds the hash of all others: the first, or the second of an XML file."""
    line = f"batchtui service file, sha256 {_hash(text)}"
    if text.startswith("<?xml"):
        first, _, rest = text.partition("\n")
        return ServiceFile(path, f"{first}\n<!-- {line} -->\n{rest}")
    return ServiceFile(path, f"# {line}\n{text}")


def _hash(text: str) -> str:
    return sha256(text.encode(errors="surrogateescape")).hexdigest()


def _read(path: Path) -> str | None:
    """The text of a file; None if there is none, or nothing that we can have made."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        return path.read_bytes().decode(errors="surrogateescape")
    except OSError:
        return None


def standing(path: Path) -> Standing:
    """What is at a path."""
    if not (path.is_symlink() or path.exists()):
        return Standing.ABSENT
    text = _read(path)
    found = _MARK.search(text) if text is not None else None
    if text is None or found is None:
        return Standing.FOREIGN
    rest = text[: found.start()] + text[found.end() :]
    return Standing.OURS if _hash(rest) == found[1] else Standing.EDITED


def changes(file: ServiceFile) -> str:
    """How a file that we made before differs from the new one, as a unified diff; empty if it does not."""
    before = (_read(file.path) or "").splitlines(keepends=True)
    return "".join(unified_diff(before, file.text.splitlines(keepends=True), "installed", "new"))


def refuse_what_is_not_ours(path: Path, done: str, hint: str = "") -> None:
    """Raises NotAllowed, with what to do, if a file is there that somebody else made or edited. `done` says what is not
    done with it."""
    match standing(path):
        case Standing.EDITED:
            message = f"{path} was edited since batchtui wrote it, so it is not {done}."
        case Standing.FOREIGN:
            message = f"{path} is not from batchtui, so it is not {done}."
        case _:
            return
    raise NotAllowed(message, hint or "Move it away if it is of no more use, and try again.")


def write(file: ServiceFile) -> None:
    """Puts a file in its place, complete or not at all. Raises NotAllowed if somebody else's is there, BatchtuiError if
    the disk does not allow it."""
    refuse_what_is_not_ours(file.path, "replaced")
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file.path) as new:
            new.write(file.text.encode(errors="surrogateescape"))
    except OSError as error:
        raise BatchtuiError(f"{file.path} was not written: {error.strerror}.", way_out(error)) from error


def remove(path: Path) -> bool:
    """Removes a file that we made; false if there is none. Raises NotAllowed if it is somebody else's by now."""
    refuse_what_is_not_ours(path, "removed")
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise BatchtuiError(f"{path} was not removed: {error.strerror}.", way_out(error)) from error
    sync_folder(path.parent)
    return True
