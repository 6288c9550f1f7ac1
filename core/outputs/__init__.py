"""Where results go: one module a kind, chosen by the ending of the target or by its pattern."""

from __future__ import annotations

from pathlib import Path

from batchtui.core.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.outputs import csv, files, jsonl
from batchtui.core.outputs.target import NotWritten, Report, TargetExists, shown
from batchtui.core.results import Results

__all__ = ["KINDS", "NotWritten", "TargetExists", "export", "kind_of"]

KINDS = {"jsonl": jsonl.write, "csv": csv.write, "files": files.write}
"""Every kind of output, by the word that names it."""

_KNOWN = f"Export to a name that ends in .jsonl or .csv, or to a pattern such as out/{files.PLACE}.md"


def kind_of(to: str, kind: str | None = None) -> str:
    """The kind of output that a target means; `kind` decides where it is given.

    Raises:
        BadInput: there is no such kind, or the target does not say which.
    """
    if kind is None:
        kind = "files" if files.PLACE in to else Path(to).suffix.lower().removeprefix(".")
        if kind not in KINDS:
            raise BadInput(f"{shown(to)} does not say what to write.", _KNOWN)
    elif kind not in KINDS:
        raise BadInput(f"There is no output of the kind {shown(kind)}.", f"Use one of: {', '.join(KINDS)}")
    elif kind != "files" and files.PLACE in to:
        raise BadInput(f"{shown(to)} is a pattern, and {kind} is one file.", _KNOWN)
    return kind


def export(
    results: Results,
    to: str,
    *,
    archive: Path | None = None,
    kind: str | None = None,
    overwrite: bool = False,
    report: Report | None = None,
) -> Output:
    """Writes all results to `to`, in the order of the archived requests where there are some.

    What comes back has the kind, the absolute path and the number of results; when it was done is the caller's to say.
    `report(rows_done, rows_total)` may raise to stop: then nothing new stands under a final name.

    Raises:
        BadInput: no kind fits the target, or the target cannot be used.
        TargetExists: it is there already, and `overwrite` is false.
        NotWritten: the disk or the folder did not allow it.
        StateError: the archive cannot be read.
    """
    chosen = kind_of(to, kind)
    if "\0" in to:
        raise BadInput(f"{shown(to)} is no path.", _KNOWN)
    path = Path(to).expanduser().absolute()
    if path.parent.resolve().is_relative_to(results.path.parent.resolve()):
        raise BadInput(f"{shown(path)} is where batchtui keeps the verified results.", "Choose another folder.")
    KINDS[chosen](results, results.order(archive), path, overwrite=overwrite, report=report)
    return Output(kind=chosen, path=str(path), rows=len(results))
