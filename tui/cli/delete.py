"""`batchtui delete`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from batchtui.core import errors
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, Snapshot, State, Submission
from batchtui.core.batches.verbs import no_copy
from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert_line
from batchtui.tui.cli.cancel import ask, meant, yes_option
from batchtui.tui.cli.command_desk import as_json, desk_for, failed
from batchtui.tui.cli.records import Batches
from batchtui.tui.cli.report import batch_json, dumps, error_json
from batchtui.tui.cli.terminal import complain, out, say, wait_for
from batchtui.tui.sentences import delete_question


@click.command(short_help="Delete the API's copy of a batch.")
@click.argument("batches", nargs=-1, required=True, metavar="BATCH...")
@click.option("--force", is_flag=True, help="Also if its results are not on this machine: they are lost then.")
@yes_option
@as_json
def delete(*, batches: tuple[str, ...], force: bool, yes: bool, as_json: bool) -> int:
    """Delete the API's copy of batches that have ended. What is on this machine stays.

    Without --force, it first checks that their results are here, unchanged since they were verified, and deletes
    nothing if one is not. Naming a submission of several batches deletes all of them.
    """
    return wait_for(_delete(batches, force=force, yes=yes, json=as_json))


async def _delete(words: Sequence[str], *, force: bool, yes: bool, json: bool) -> int:
    async with desk_for("batchtui delete") as desk:
        try:
            rows, batches = _chosen(await desk.snapshot(), words)
            there = [one for one in batches if no_copy(one) is None]
            if there and not yes:
                ask(delete_question(rows, there, await desk.unproven(there) if force else {}), yes=yes)
            done = await desk.delete(*(one.ref for one in batches), force=force)
            snapshot = await desk.snapshot()
        except BatchtuiError as error:
            return failed(error, json=json, batch=words[0] if len(words) == 1 else None)
        for batch in done.batches:
            say(_told(batch, new=bool(there)))
        labels = {one.ref: one.label for one in snapshot.batches}
        if json:
            wrong = [error_json(one, labels.get(ref, ref)) for ref, one in done.failures.items()]
            out(dumps(Batches(batches=[batch_json(one) for one in done.batches], errors=wrong)))
        elif done.batches:
            out("\n".join(one.label for one in done.batches))
        for ref, one in done.failures.items():
            complain(BatchtuiError(f"{labels.get(ref, ref)}: {one.message}", one.hint))
        return max((one.exit_code for one in done.failures.values()), default=errors.OK)


def _chosen(snapshot: Snapshot, words: Sequence[str]) -> tuple[list[Batch | Submission], list[Batch]]:
    """What the words mean: the rows to name, and all of their batches. A name means all steps, parts and retries."""
    rows: dict[str, Batch | Submission] = {}
    batches: dict[str, Batch] = {}
    for word in words:
        found, submission = meant(snapshot, word)
        ours = plan.members(snapshot, submission) if submission else found
        rows |= {submission.ref: submission} if submission else {one.ref: one for one in ours}
        batches |= {one.ref: one for one in ours}
    return list(rows.values()), list(batches.values())


def _told(batch: Batch, *, new: bool) -> str:
    name = f"{inert_line(batch.name, 60)} ({batch.label})"
    if not new:
        return f"The API's copy of {name} was deleted before."
    if batch.state is State.RETRIEVED:
        return f"Deleted the API's copy of {name}. Its results stay in {inert_line(batch.results_path or '', 2000)}"
    return f"Deleted the API's copy of {name}. Its results are gone."
