"""Writes the answers of one batch, or of a submission of several, to a place the user chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import UNDER_WAY, Batch, Output, Snapshot, State, Submission
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.output_records import noted
from batchtui.core.batches.submissions import batches_for
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.errors import BadInput, NotAllowed, StateError
from batchtui.core.logs import log
from batchtui.core.outputs.guard import Guard
from batchtui.core.paths import Paths
from batchtui.core.results import summary
from batchtui.core.results.answers import Answers, files_of
from batchtui.core.results.unfit_for_outputs import keep_unfit
from batchtui.core.state.store import Transaction
from batchtui.core.state.store_thread import StoreThread
from batchtui.core.state.tickets import Ticket
from batchtui.core.text import inert_line, plural


def to_export(snapshot: Snapshot, word: str) -> list[Batch]:
    """The batches that a word means, and their retries whose results are here.

    Raises:
        UsageError: it is not clear which.
        NotAllowed: one of them cannot be exported.
    """
    batches = batches_for(snapshot, word)
    if word not in {name for batch in batches for name in (batch.id, batch.ref)}:
        _refuse_unsent(snapshot.submissions.get(batches[0].submission), batches)
    for batch in batches:
        if reason := why_not(Verb.EXPORT, batch):
            can = why_not(Verb.RETRIEVE, batch) is None or batch.state in UNDER_WAY
            raise NotAllowed(reason, f"batchtui {'retrieve' if can else 'show'} {batch.label}")
    refs = {batch.ref for batch in batches}
    retries = [one for one in snapshot.batches if one.retry_of in refs - {""} and one.state is State.RETRIEVED]
    return batches + [one for one in retries if one.ref not in refs]


def _refuse_unsent(submission: Submission | None, batches: list[Batch]) -> None:
    """Raises NotAllowed if requests of these batches' step are still to be sent: what there is would look like all."""
    if submission is None or submission.stopped:
        return
    if left := sum(part.requests for part in submission.waiting if part.step == batches[0].step):
        verb = "is" if left == 1 else "are"
        raise NotAllowed(
            f"{plural(left, 'request')} of {inert_line(submission.name)} {verb} not sent yet.",
            f"What is here: batchtui export {batches[0].label}. About the rest: batchtui show {batches[0].label}",
        )


async def export(
    batches: list[Batch],
    to: str,
    *,
    kind: str | None,
    overwrite: bool,
    safe: bool,
    disk: StoreThread,
    paths: Paths,
    now: datetime,
    guard: Callable[[Answers], Guard],
    report: Report | None,
) -> Output:
    """Writes the answers to a target, completely or not at all, and records that on the batches.

    Complete answers that this output cannot use, such as one without text where text is written, count as unfit from
    then on, as for the outputs of a job. `guard` finds the files that it must not replace, whatever `overwrite` says.

    Raises:
        UsageError: `safe` is false, so that cells that a spreadsheet would run stay as they are, and this is no CSV.
        BadInput: no kind of output fits the target. TargetExists is a BadInput: it already exists.
        StateError: the results cannot be read; or they were written, but that could not be recorded.
    """
    from batchtui.core.outputs import kinds

    first = batches[0]
    scope = first.label if len(batches) == 1 else first.submission

    causes: dict[str, str] = {}

    def note_cause(custom_id: str, why: str) -> None:
        causes.setdefault(custom_id, why)

    def work() -> tuple[Output, dict[str, Outcomes]]:
        with Answers.open(files_of(paths, batches)) as answers, Ticket(paths) as mine:
            made = kinds.export(
                answers,
                to,
                kind=kind,
                overwrite=overwrite,
                safe=safe,
                scope=scope,
                report=report,
                guard=guard(answers),
                note=mine.note_path,
                unfit=note_cause,
            )
            return made, keep_unfit(batches, paths, answers, f"export {made.path}", causes)

    made, outcomes = await asyncio.to_thread(work)
    output = replace(made, done_at=now)
    log.info("%s exported to %s: %s", scope, output.path, plural(output.rows or 0, "row"))
    await asyncio.to_thread(summary.note_output, paths.summary(first.label), output)

    def write(tx: Transaction) -> None:
        for batch in batches:
            current = tx.batch(batch.ref)
            if current and (counted := outcomes.get(batch.ref)):
                current = replace(current, outcomes=counted)
            if current and not current.retry_of:
                current = replace(current, outputs=noted(current.outputs, output))
            if current:
                tx.put(current)

    try:
        await disk.commit(write)
    except StateError as error:
        stand = f"{plural(output.rows or 0, 'row')} written to {output.path}, but that could not be recorded"
        raise StateError(f"{stand}: {error.message}", error.hint) from error
    return output


def refuse_ours(target: Path, paths: Paths) -> Path:
    """The target. Raises BadInput if it is one of our own files: they stay even if the user allows overwriting.

    A pattern is refused if an id or a key could turn it into the name of such a file.
    """
    from batchtui.core.outputs import files

    ours = paths.owns(target)
    if not ours and files.is_pattern(target.name):
        made = files.names_like(target.name)
        ours = any(one.parent == target.parent and made.fullmatch(one.name) for one in paths.named())
    if ours:
        raise BadInput(f"{inert_line(str(target))} is where batchtui keeps its own files.", "Choose another place.")
    return target
