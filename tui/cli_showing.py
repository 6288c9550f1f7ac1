"""`batchtui list` and `batchtui show`."""

from __future__ import annotations

import click
from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.batch import State, newest_first
from batchtui.core.errors import BatchtuiError
from batchtui.core.report import batch_json, details, details_json, dumps, error_json, table
from batchtui.tui.cli import complain, out, say, wait_for
from batchtui.tui.cli_desk import as_json, desk_for


@click.command("list")
@click.option("--remote", is_flag=True, help="Also what only the API knows, such as batches sent by other tools.")
@click.option("--all", "everything", is_flag=True, help="Also batches whose results are gone.")
@as_json
def list_(*, remote: bool, everything: bool, as_json: bool) -> int:
    """Batches, newest first: name, id, state, counts, age, cost."""
    return wait_for(_list(remote=remote, everything=everything, json=as_json))


async def _list(*, remote: bool, everything: bool, json: bool) -> int:
    async with desk_for("batchtui list", logged=remote) as desk:
        batches = list((await desk.snapshot()).batches)
        trouble: BatchtuiError | None = None
        if remote:
            try:
                unknown = [replace(batch, submission="") for batch in await desk.remote()]
                batches = sorted([*batches, *unknown], key=newest_first)
            except BatchtuiError as error:
                trouble = error
        shown = [batch for batch in batches if everything or batch.state is not State.GONE]
        if json:
            wrong = {"errors": [error_json(trouble)]} if trouble else {}
            out(dumps({"batches": [batch_json(batch) for batch in shown], **wrong}))
        elif shown:
            out(table(shown, desk.clock()))
        else:
            say("No batches yet. Submit a file of requests: batchtui submit FILE")
        if trouble:
            complain(trouble)
        return trouble.exit_code if trouble else errors.OK


@click.command()
@click.argument("batch")
@as_json
def show(*, batch: str, as_json: bool) -> int:
    """Everything known of one batch."""
    return wait_for(_show(batch, json=as_json))


async def _show(word: str, *, json: bool) -> int:
    async with desk_for("batchtui show", logged=False) as desk:
        try:
            batch = await desk.find(word)
            summary = await desk.summary(batch)
        except BatchtuiError as error:
            if json:
                out(dumps({"batch": None, "errors": [error_json(error)]}))
            complain(error)
            return error.exit_code
        submission = (await desk.snapshot()).submissions.get(batch.submission)
        if json:
            out(dumps({"batch": details_json(batch, submission, summary)}))
        else:
            out(details(batch, submission, summary, desk.clock()))
        return errors.OK
