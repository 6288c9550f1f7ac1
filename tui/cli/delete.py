"""`batchtui delete`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from batchtui.core import errors
from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.verbs import no_copy
from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert_line
from batchtui.tui.cli.cancel import ask, yes_option
from batchtui.tui.cli.chosen import choose
from batchtui.tui.cli.command_desk import as_json, desk_for, every_option, failed
from batchtui.tui.cli.records import Batches
from batchtui.tui.cli.report import batch_json, dumps, error_json
from batchtui.tui.cli.terminal import complain, out, say, wait_for
from batchtui.tui.sentences import delete_question


@click.command(short_help="Delete the API's copy of a batch.")
@click.argument("batches", nargs=-1, required=True, metavar="BATCH...")
@click.option("--force", is_flag=True, help="Also if its results are not on this machine: they are lost then.")
@every_option
@yes_option
@as_json
def delete(*, batches: tuple[str, ...], force: bool, every: bool, yes: bool, as_json: bool) -> int:
    """Delete the API's copy of batches that have ended. What is on this machine stays.

    Without --force, it first checks that their results are here, unchanged since they were verified, and deletes
    nothing if one is not. Naming a submission of several batches deletes all of them.
    """
    return wait_for(_delete(batches, force=force, every=every, yes=yes, json=as_json))


async def _delete(words: Sequence[str], *, force: bool, every: bool, yes: bool, json: bool) -> int:
    async with desk_for("batchtui delete") as desk:
        try:
            snapshot = await desk.snapshot()
            chosen = choose(snapshot, words, every=every)
            batches = chosen.batches
            there = [one for one in batches if no_copy(one) is None]
            if there and not yes:
                lost = await desk.unproven(there) if force else {}
                ask(delete_question(chosen.rows, there, lost, chosen.called(snapshot)), yes=yes)
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


def _told(batch: Batch, *, new: bool) -> str:
    name = f"{inert_line(batch.name, 60)} ({batch.label})"
    if not new:
        return f"The API's copy of {name} was deleted before."
    if batch.state is State.RETRIEVED:
        return f"Deleted the API's copy of {name}. Its results stay in {inert_line(batch.results_path or '', 2000)}"
    return f"Deleted the API's copy of {name}. Its results are gone."
