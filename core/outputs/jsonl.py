"""One file with the raw result lines, nothing lost and nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batchtui.core.outputs.target import Report, each, written
from batchtui.core.results import Results


def write(results: Results, order: Sequence[int], path: Path, *, overwrite: bool, report: Report | None) -> None:
    """Each line as the API sent it, in the given order."""
    with written(path, overwrite=overwrite) as file:
        for index in each(order, report):
            file.write(results.raw(index) + b"\n")
