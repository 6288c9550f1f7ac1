"""`batchtui cancel` and `batchtui forget`."""

from __future__ import annotations

import sys

import click

from batchtui.core import errors
from batchtui.core.errors import BatchtuiError, NotAllowed
from batchtui.core.report import batch_json, dumps
from batchtui.core.text import inert_line, plural
from batchtui.core.verbs import Verb, why_not
from batchtui.tui.cli import agree, out, say, wait_for
from batchtui.tui.cli_desk import as_json, desk_for, failed

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@click.argument("batch")
@yes_option
@as_json
def cancel(*, batch: str, yes: bool, as_json: bool) -> int:
    """Cancel a batch that is under way. Requests that have run are kept and billed."""
    return wait_for(_cancel(batch, yes=yes, json=as_json))


async def _cancel(word: str, *, yes: bool, json: bool) -> int:
    async with desk_for("batchtui cancel") as desk:
        try:
            batch = await desk.find(word)
            if reason := why_not(Verb.CANCEL, batch):
                raise NotAllowed(reason)
            _ask(
                f"Cancel {inert_line(batch.name)} ({plural(batch.requests, 'request')})? "
                "What has run is kept and billed.",
                yes=yes,
            )
            batch = await desk.cancel(batch.ref)
        except BatchtuiError as error:
            return failed(error, json=json)
        say(f"{batch.label} is being canceled. What has run can be retrieved once it has ended.")
        out(dumps({"batches": [batch_json(batch)], "errors": []}) if json else batch.label)
        return errors.OK


@click.command()
@click.argument("batch")
@yes_option
@as_json
def forget(*, batch: str, yes: bool, as_json: bool) -> int:
    """Drop a batch from this machine's list. Its result file stays, and so does the API's copy."""
    return wait_for(_forget(batch, yes=yes, json=as_json))


async def _forget(word: str, *, yes: bool, json: bool) -> int:
    async with desk_for("batchtui forget") as desk:
        try:
            batch = await desk.find(word)
            if reason := why_not(Verb.FORGET, batch):
                raise NotAllowed(reason)
            _ask(f"Forget {inert_line(batch.name)} ({batch.label})?", yes=yes)
            await desk.forget(batch.ref)
        except BatchtuiError as error:
            return failed(error, json=json)
        say(f"{batch.label} is forgotten.")
        out(dumps({"batches": [batch_json(batch)], "errors": []}) if json else batch.label)
        return errors.OK


def _ask(question: str, *, yes: bool) -> None:
    """Goes on only if a person agrees; where nobody can be asked, --yes must have said it."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: say --yes.")
    if not agree(question):
        raise click.Abort
