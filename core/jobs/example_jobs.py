"""The example jobs that come with the package: complete, with made-up data, ready to run."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from batchtui.core.errors import BadInput
from batchtui.core.paths import Paths
from batchtui.core.text import inert_line

_FOLDER = "examples"


def examples(names: Sequence[str] = ()) -> dict[str, str]:
    """What each example does, by name: all of them, or those named. Raises BadInput if a name is unknown."""
    known = {one.name: _title(one) for one in sorted(_root().iterdir(), key=lambda one: one.name) if one.is_dir()}
    for name in names:
        if name not in known:
            raise BadInput(f"There is no example {inert_line(name, 60)}.", f"The examples are: {', '.join(known)}")
    return {name: known[name] for name in names or known}


def write_examples(folder: Path, names: Sequence[str] = (), paths: Paths | None = None) -> list[Path]:
    """Writes all examples, or those named, each into its own folder. Returns the job files.

    `paths` are where batchtui keeps its own files, None if it has no place yet.

    Raises:
        BadInput: there is no such example, its folder already exists, or batchtui keeps its own files there. Nothing
            was written.
        OSError: the disk or the folder did not allow it.
    """
    wanted = examples(names)
    if paths and paths.keeps(folder):
        shown = inert_line(str(folder))
        raise BadInput(f"{shown} is where batchtui keeps its own files.", "Choose another folder.")
    for name in wanted:
        if os.path.lexists(folder / name):
            shown = inert_line(str(folder / name))
            raise BadInput(f"{shown} already exists.", "Choose another folder, or remove it.")
    return [_write(_root() / name, folder / name) for name in wanted]


def _root() -> Traversable:
    return resources.files("batchtui.core.jobs") / _FOLDER


def _title(example: Traversable) -> str:
    job = example / f"{example.name}.toml"
    return job.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _write(example: Traversable, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for file in example.iterdir():
        data = file.read_bytes()
        (folder / file.name).write_bytes(data)
        if file.name.endswith(".sql"):
            _database(folder / file.name, data.decode())
    return folder / f"{example.name}.toml"


def _database(script: Path, sql: str) -> None:
    """Creates the database that a script describes, next to it."""
    database = sqlite3.connect(script.with_suffix(".db"))
    try:
        database.executescript(sql)
    finally:
        database.close()
