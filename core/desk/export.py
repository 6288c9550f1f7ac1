"""Exports the answers of batches to where a person says, but never over what the answers come from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Batch, Output, Snapshot
from batchtui.core.errors import BadInput, way_out
from batchtui.core.jobs.own_files import own_files_of
from batchtui.core.outputs import files, kinds
from batchtui.core.outputs.export import export, refuse_ours, to_export
from batchtui.core.outputs.guard import Guard
from batchtui.core.outputs.target import is_device
from batchtui.core.paths import Paths, target_path
from batchtui.core.results.answers import Answers
from batchtui.core.sending.context import Context
from batchtui.core.text import inert_line


async def export_to(
    word: str, to: str, context: Context, *, kind: str | None, overwrite: bool, safe: bool, report: Report | None
) -> Output:
    """Writes the answers of the batches that a word means, and of their retries, to a target.

    Raises as `to_export`, `place_for` and `outputs.export`.
    """
    snapshot = await context.disk.snapshot()
    batches = to_export(snapshot, word)
    place = place_for(to, context.paths)

    def guard(answers: Answers) -> Guard:
        return _own_files(snapshot, batches, context.paths, place, answers)

    return await export(
        batches,
        str(place),
        kind=kind,
        overwrite=overwrite,
        safe=safe,
        disk=context.disk,
        paths=context.paths,
        now=context.clock(),
        guard=guard,
        report=report,
    )


def place_for(to: str, paths: Paths) -> Path:
    """The absolute path that a target means: if that is a link, the file that it leads to, as for every other program.

    What names a file an answer is not followed: those names come from keys, not from a person.

    Raises:
        BadInput: it is where batchtui keeps its own files, a link that leads to nothing, a device or a pipe, or nothing
            can be there.
    """
    target = refuse_ours(target_path(to), paths)
    try:
        if files.is_pattern(target.name):
            return target
        if is_device(target):
            said = f"{inert_line(str(target))} is a device or a pipe, not a file."
            raise BadInput(said, "Export to a file, such as out.csv, and pass that on.")
        if not target.is_symlink():
            return target
    except OSError as error:
        raise BadInput(f"{inert_line(to, 200)} cannot be written: {error.strerror}.", way_out(error)) from error
    real = Path(os.path.realpath(target))
    if not real.exists():
        shown = inert_line(str(target))
        raise BadInput(f"{shown} is a link to {inert_line(str(real))}, which is not there.", "Remove the link first.")
    return real


def check_place(snapshot: Snapshot, word: str, to: str, kind: str | None, paths: Paths) -> Path:
    """Where an export would write, before it is asked for. Run it in a thread. Raises BadInput as the export would."""
    place = place_for(to, paths)
    guard = _own_files(snapshot, to_export(snapshot, word), paths, place, None)
    kinds.refuse_own(Output(kind=kinds.kind_of(str(place), kind), path=str(place)), guard)
    return place


def _own_files(
    snapshot: Snapshot, batches: Sequence[Batch], paths: Paths, place: Path, answers: Answers | None
) -> Guard:
    """What the submissions of these batches are made of."""
    known: dict[str, int] = {}
    for one in batches:
        known[one.submission] = max(known.get(one.submission, 0), one.step)
    whole: dict[Path, str] = {}
    rows: dict[Path, str] = {}
    for ref, step in known.items():
        if submission := snapshot.submissions.get(ref):
            guard = own_files_of(paths, submission, step, place, answers)
            whole |= guard.files
            rows |= guard.databases
    return Guard(whole, rows)
