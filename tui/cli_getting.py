"""`batchtui retrieve` and `batchtui export`."""

from __future__ import annotations

import click

from batchtui.core import errors
from batchtui.core.batch import Batch, State
from batchtui.core.desk import Desk
from batchtui.core.errors import BatchtuiError, Usage
from batchtui.core.find import is_id
from batchtui.core.report import batch_json, dumps, error_json
from batchtui.core.text import inert, number, plural
from batchtui.tui.cli import complain, out, progress, say, wait_for
from batchtui.tui.cli_desk import as_json, desk_for, failed, outcome


@click.command()
@click.argument("batches", nargs=-1, required=True, metavar="BATCH...")
@click.option("--to", help="Also export them there: a file, or a pattern with {custom_id}.")
@as_json
def retrieve(*, batches: tuple[str, ...], to: str | None, as_json: bool) -> int:
    """Download and verify the results of batches that have ended.

    An id that was never seen here, such as one of another tool, is taken up. A batch that has not ended is said to
    be so.
    """
    if to and len(batches) > 1 and "{" not in to:
        raise click.UsageError("--to names one place, so it goes with one BATCH.")
    return wait_for(_retrieve(batches, to, json=as_json))


async def _retrieve(words: tuple[str, ...], to: str | None, *, json: bool) -> int:
    code = errors.OK
    got: list[Batch] = []
    wrong: list[dict[str, object]] = []
    async with desk_for("batchtui retrieve") as desk:
        for word in words:
            try:
                batch = await _retrieved(desk, word, to)
            except BatchtuiError as error:
                complain(error)
                wrong.append(error_json(error, word))
                code = code if code in (errors.UNREACHABLE, errors.NO_KEY) else error.exit_code
                continue
            got.append(batch)
            _tell(batch)
            if batch.state is State.RETRIEVED:
                code = code or outcome(batch)
    if json:
        out(dumps({"batches": [batch_json(batch) for batch in got], "errors": wrong}))
    else:
        for batch in got:
            if batch.results_path:
                out(inert(batch.results_path))
    return code


async def _retrieved(desk: Desk, word: str, to: str | None) -> Batch:
    try:
        batch = await desk.find(word)
    except Usage:
        if not is_id(word):
            raise
        batch = await desk.adopt(word)
        if batch.doubtful:
            say(
                f"{batch.label} is taken for {inert(batch.name)}, whose answer was lost: the ids of its results decide."
            )
        else:
            say(f"{batch.label} was not sent from here; it is followed from now on as {batch.name}.")
    batch = await desk.retrieve(batch.ref, progress(f"Retrieving {batch.label}"))
    if to and batch.state is State.RETRIEVED:
        output = await desk.export(batch.ref, to)
        say(f"Exported {plural(output.rows or 0, 'row')} to {output.path}")
        batch = await desk.find(batch.ref)
    return batch


def _tell(batch: Batch) -> None:
    counts = batch.request_counts
    if batch.state is not State.RETRIEVED:
        say(f"{batch.label} is {batch.state.replace('_', ' ')}: results come when the whole batch has ended.")
        return
    say(f"Retrieved {batch.label}: {number(counts.succeeded)} of {plural(counts.total, 'request')} succeeded.")
    if counts.failed:
        say(f"{plural(counts.failed, 'request')} did not: batchtui show {batch.label} says why.")


@click.command()
@click.argument("batch")
@click.option("--to", required=True, help="A .jsonl or .csv file, or a pattern such as out/{custom_id}.md.")
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv", "files"]), help="Where the ending does not say.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@as_json
def export(*, batch: str, to: str, kind: str | None, force: bool, as_json: bool) -> int:
    """Write the results of a retrieved batch to a file, or to one file a result, whole or not at all."""
    return wait_for(_export(batch, to, kind, force=force, json=as_json))


async def _export(word: str, to: str, kind: str | None, *, force: bool, json: bool) -> int:
    async with desk_for("batchtui export") as desk:
        try:
            batch = await desk.find(word)
            output = await desk.export(batch.ref, to, kind=kind, overwrite=force, report=progress("Exporting"))
            batch = await desk.find(batch.ref)
        except BatchtuiError as error:
            return failed(error, json=json)
        say(f"Exported {plural(output.rows or 0, 'row')}.")
        out(dumps({"batches": [batch_json(batch)], "errors": []}) if json else inert(output.path))
        return errors.OK
