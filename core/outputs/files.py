"""A file for each answer, named by a pattern such as `notes/{custom_id}.md`."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from batchtui.core.errors import BadInput
from batchtui.core.files import sync_folder
from batchtui.core.outputs.target import Report, TargetExists, each, make_folder, os_errors, shown, whole
from batchtui.core.problems import ID
from batchtui.core.results import Results
from batchtui.core.text import plural

PLACE = "{custom_id}"

FAILED = "_failed.jsonl"
"""Beside the answers: the raw lines of all that has no file of its own."""


def write(results: Results, order: Sequence[int], path: Path, *, overwrite: bool, report: Report | None) -> None:
    """Each succeeded answer to its file, every other result to `_failed.jsonl` beside them.

    So is a result whose custom_id the API could not have taken, or that came twice: no path is made of such an id.
    All is written to a folder of its own first and brought to the disk at once, then each file takes its name; so a
    name always stands for a whole file, without a wait for the disk at each of 100,000.

    Raises:
        BadInput: the pattern cannot be used, or two names differ by case alone. Nothing was written.
        TargetExists: `overwrite` is false and a file is there already. Nothing was written.
        NotWritten: the folder cannot be written to.
    """
    _usable(path)
    folder = path.parent
    with os_errors(folder):
        _free(results.ids(), path, overwrite=overwrite)
        make_folder(folder)
        stage = folder / f".batchtui.{secrets.token_hex(4)}.part"
        stage.mkdir(mode=0o700)
        try:
            names = _stage(results, order, path.name, stage, report)
            os.sync()
            for name in names:
                if overwrite:
                    (stage / name).replace(folder / name)
                else:
                    os.link(stage / name, folder / name)
            sync_folder(folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def _usable(path: Path) -> None:
    rest = path.name.replace(PLACE, "")
    if PLACE not in path.name or PLACE in str(path.parent):
        raise BadInput(f"{shown(path)} has no {PLACE} in the file's name.", f"Give a pattern such as out/{PLACE}.md")
    if "{" in rest or "}" in rest:
        raise BadInput(f"{shown(path)} holds more than {PLACE}.", f"Give a pattern such as out/{PLACE}.md")
    if len(_name(path.name, "x" * 64).encode()) > 255:
        raise BadInput(f"{shown(path)} makes names that are too long.", "Give a shorter pattern.")


def _name(pattern: str, custom_id: str) -> str:
    return pattern.replace(PLACE, custom_id)


def _free(ids: Sequence[str], path: Path, *, overwrite: bool) -> None:
    """Every name that could come up: different from each other on any file system, and not taken."""
    names = {FAILED.casefold(): FAILED}
    for custom_id in ids:
        if ID.fullmatch(custom_id):
            name = _name(path.name, custom_id)
            other = names.setdefault(name.casefold(), name)
            if other != name or name == FAILED:
                raise BadInput(
                    f"{name} and {other} would be one file where case does not count."
                    if other != name
                    else f"The answer of {custom_id} would take the name {FAILED}, which is kept for failed requests.",
                    f"Give another pattern, such as out/answer-{PLACE}.md, or export to one .csv or .jsonl file.",
                )
    if overwrite or not path.parent.is_dir():
        return
    wanted = set(names.values())
    taken = sorted(entry.name for entry in os.scandir(path.parent) if entry.name in wanted)
    if taken:
        more = f" and {plural(len(taken) - 1, 'other file')}" if len(taken) > 1 else ""
        verb = "are" if more else "is"
        raise TargetExists(
            f"{shown(path.parent / taken[0])}{more} {verb} there already.",
            "Choose another folder, or overwrite: --force",
        )


def _stage(results: Results, order: Sequence[int], pattern: str, stage: Path, report: Report | None) -> list[str]:
    names: dict[str, None] = {}
    with (stage / FAILED).open("xb") as failed:
        for index in each(order, report):
            row = results.row(index)
            name = _name(pattern, row.custom_id)
            if row.type == "succeeded" and ID.fullmatch(row.custom_id) and name not in names:
                names[name] = None
                with (stage / name).open("xb", buffering=0) as file:
                    file.write(whole(row.text).encode())
            else:
                failed.write(results.raw(index) + b"\n")
        if failed.tell():
            names[FAILED] = None
    return list(names)
