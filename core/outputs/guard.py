"""What an output may never replace: the files that its answers come from, under whatever name it reaches them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from batchtui.core.errors import BadInput
from batchtui.core.text import inert_line

Identity = tuple[int, int]


class Guard(Struct, frozen=True):
    """Absolute paths, each with what is there. In `databases` rows may be changed; `files` are left as they are."""

    files: Mapping[Path, str] = {}
    databases: Mapping[Path, str] = {}

    def refuse(self, folder: Path, names: Iterable[str], *, rows: bool = False) -> None:
        """Raises BadInput if one of these names in a folder is one of the files; `rows`: only rows are written there.

        A link, a hard link, or other case on a disk that ignores case is found too: the disk says which file it is.
        """
        kept = {**self.files, **({} if rows else self.databases)}
        if not kept:
            return
        known = {who: what for path, what in kept.items() if (who := identity(path))}
        for name in names:
            place = folder / name
            who = identity(place)
            if what := kept.get(place) or (known.get(who) if who else None):
                raise BadInput(f"{inert_line(str(place))} is {what}. No output replaces it.", "Choose another place.")

    def is_near(self, folder: Path) -> bool:
        """Whether something in a folder is one of the files."""
        kept = {**self.files, **self.databases}
        if any(path.parent == folder for path in kept):
            return True
        known = {who for path in kept if (who := identity(path))}
        numbers = {number for _, number in known}
        try:
            with os.scandir(folder) as entries:
                near = [Path(one.path) for one in entries if one.inode() in numbers or one.is_symlink()]
        except OSError:
            return False
        return any(identity(one) in known for one in near)


UNGUARDED = Guard()


def identity(path: Path) -> Identity | None:
    """What tells a file from all others on this machine; None if nothing is there."""
    try:
        about = path.stat()
    except (OSError, ValueError):
        return None
    return about.st_dev, about.st_ino
