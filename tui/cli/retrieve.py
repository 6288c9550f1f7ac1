"""`batchtui retrieve` and `batchtui export`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click

from batchtui.core import errors
from batchtui.core.batches.batch import Batch, Output, Snapshot, State
from batchtui.core.batches.find import Meant
from batchtui.core.batches.standing import standing
from batchtui.core.batches.submissions import with_submission
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError, OutputFailed, Unverified, UsageError
from batchtui.core.outputs.target import TargetExists
from batchtui.core.text import inert, inert_line, plural
from batchtui.tui.cli.command_desk import (
    LISTED,
    as_json,
    desk_for,
    every_option,
    failed,
    meant,
    outcome,
    understood,
)
from batchtui.tui.cli.records import Batches, ErrorRecord
from batchtui.tui.cli.report import batch_json, dumps, error_json, failures_json
from batchtui.tui.cli.terminal import DOLLARS, complain, out, progress, say, wait_for


@click.command()
@click.argument("batches", nargs=-1, required=True, metavar="BATCH...")
@click.option("--to", help="Also export the results: to a file, or to a pattern with {custom_id}.")
@click.option("--max-cost", type=DOLLARS, metavar="USD", help="For a job: a new cost limit for all its steps.")
@click.option("--as-is", metavar="FILE", help="Only write the API's lines to FILE, unverified.")
@every_option
@as_json
def retrieve(
    *, batches: tuple[str, ...], to: str | None, max_cost: float | None, as_is: str | None, every: bool, as_json: bool
) -> int:
    """Download and verify the results of batches that have ended.

    An unknown id, such as one from another tool, is added to this machine's list. If a batch has not ended, the
    command says so.
    """
    if to and len(batches) > 1 and "{" not in to:
        raise click.UsageError("--to names one place: give only one BATCH.")
    if every and (to or as_is):
        raise click.UsageError(f"{'--to' if to else '--as-is'} takes one submission: use it without --every.")
    if as_is:
        if to or len(batches) > 1:
            raise click.UsageError("--as-is takes one BATCH and cannot be combined with --to.")
        return wait_for(_as_is(batches[0], as_is, json=as_json))
    return wait_for(_retrieve(batches, to, max_cost, every=every, json=as_json))


async def _retrieve(words: tuple[str, ...], to: str | None, max_cost: float | None, *, every: bool, json: bool) -> int:
    code = errors.OK
    got: list[Batch] = []
    wrong: list[ErrorRecord] = []
    async with desk_for("batchtui retrieve") as desk:

        def note(error: BatchtuiError, what: str) -> None:
            nonlocal code
            complain(error)
            wrong.append(error_json(error, what))
            code = code if code in (errors.UNREACHABLE, errors.NO_KEY) else error.exit_code

        for word in words:
            try:
                found = await meant(desk, word, every=every)
            except BatchtuiError as error:
                note(error, word)
                continue
            for ref in found.refs:
                batches: list[Batch] = []
                try:
                    for one in await desk.batches_for(ref):
                        batches = [*batches, await _retrieved(desk, one)]
                    if to and all(one.state is State.RETRIEVED for one in batches):
                        output = await _exported(desk, found, to)
                        await _tell_exported(desk, output, batches)
                        if lacks := _without_file(output, found.again):
                            note(lacks, ref)
                except BatchtuiError as error:
                    note(error, ref if len(found.refs) > 1 else word)
                got += batches
        try:
            submissions = {batch.submission for batch in got}
            troubles = await desk.advance(submissions, max_cost) if got else []
            if got:
                snapshot = await desk.snapshot()
                said = {trouble.message for trouble in troubles}
                troubles += [one for one in standing(snapshot, submissions) if one.message not in said]
                wrong += failures_json(troubles, snapshot.batches)
                got = _as_they_are(got, snapshot)
                code = code or _outcome(got)
                told = {one.ref: one for one in with_submission(snapshot)}
                got = [told.get(one.ref, one) for one in got]
            for trouble in troubles:
                complain(trouble.error)
                code = code or trouble.error.exit_code
            for left in await _not_going_on(desk, got) if max_cost is not None and not wrong else ():
                complain(left)
                wrong.append(error_json(left))
                code = code or left.exit_code
        except BatchtuiError as error:
            complain(error)
            wrong.append(error_json(error))
            code = code or _outcome(got) or error.exit_code
    if json:
        out(dumps(Batches(batches=[batch_json(batch) for batch in got], errors=wrong)))
    else:
        for batch in got:
            if batch.results_path:
                out(inert(batch.results_path))
    return code


def _outcome(batches: Sequence[Batch]) -> int:
    return next((code for one in batches if one.state is State.RETRIEVED and (code := outcome(one))), errors.OK)


def _as_they_are(batches: Sequence[Batch], snapshot: Snapshot) -> list[Batch]:
    """The batches once their outputs ran; says how many more answers those found unfit."""
    known = {one.ref: one for one in snapshot.batches}
    now = [known.get(one.ref, one) for one in batches]
    for before, after in zip(batches, now, strict=True):
        if (more := after.unanswered - before.unanswered) > 0 and before.state is State.RETRIEVED:
            do = plural(more, "answer does", "answers do")
            say(f"{do} not fit what its outputs need: batchtui show {after.label} says more.")
    return now


async def _not_going_on(desk: Desk, batches: Sequence[Batch]) -> list[BatchtuiError]:
    """What a new limit does not set going: a run without a batch has it, but only `--now` goes on with it."""
    known = (await desk.snapshot()).submissions
    ours = [known[ref] for ref in dict.fromkeys(one.submission for one in batches) if ref in known]
    return [
        BatchtuiError(f"The limit is set. {one.trouble.message}", one.trouble.hint)
        for one in ours
        if one.by_hand and one.trouble and (one.waiting or one.steps)
    ]


async def _exported(desk: Desk, found: Meant, to: str) -> Output:
    try:
        return await desk.export(found.refs[0], to)
    except TargetExists as error:  # its hint names --force, which this command does not have
        again = f"batchtui export {shlex.quote(found.again)} --to {shlex.quote(to)} --force"
        error.with_hint(f"Results retrieved. To overwrite: {again}")
        raise


async def _as_is(word: str, to: str, *, json: bool) -> int:
    """Writes whatever the API returns to a file. Reports what is wrong with it; the exit code is then 3."""
    async with desk_for("batchtui retrieve --as-is") as desk:
        try:
            batch, *more = await desk.batches_for((await meant(desk, word, more=LISTED)).refs[0])
            if more:
                raise UsageError(f"{inert(word)} means {len(more) + 1} batches.", "--as-is takes one: give its id.")
            batch, wrong = await desk.as_is(batch.ref, to, progress(f"Retrieving {batch.label}"))
        except BatchtuiError as error:
            return failed(error, json=json, batch=word)
    if json:
        said = [error_json(Unverified(one), batch.label) for one in wrong]
        out(dumps(Batches(batches=[batch_json(batch)], errors=said)))
    else:
        out(inert(to))
    for one in wrong:
        say(f"batchtui: {one}")
    return errors.SOME_FAILED if wrong else errors.OK


async def _retrieved(desk: Desk, batch: Batch) -> Batch:
    done = await desk.retrieve(batch.ref, progress(f"Retrieving {batch.label}"))
    _tell(done)
    return done


def _tell(batch: Batch) -> None:
    if batch.state is not State.RETRIEVED:
        say(f"{batch.label} is {batch.state.replace('_', ' ')}: results are available when the whole batch has ended.")
        return
    say(f"Retrieved {batch.label}: {batch.share}.")
    if batch.unanswered:
        why = f" ({batch.outcomes.words()})" if batch.outcomes else ""
        say(f"{plural(batch.unanswered, 'request')} did not{why}: batchtui show {batch.label} says why.")


async def _tell_exported(desk: Desk, output: Output, batches: list[Batch]) -> None:
    say(f"Exported {plural(output.rows or 0, 'row')} to {inert_line(output.path, 2000)}")
    if output.guarded:
        cells = plural(output.guarded, "cell that a spreadsheet would run", "cells that a spreadsheet would run")
        say(f"An apostrophe went into {cells}. For the CSV as it is: batchtui export --no-guard")
    missing = (output.rows or 0) < sum(one.requests for one in batches if not one.retry_of)
    if (missing or any(one.unanswered for one in batches)) and (left := await desk.failed_rows(output)):
        say(f"What did not succeed, and why: {inert_line(str(left), 2000)}")


@click.command(short_help="Write results to a file, or to a file per answer.")
@click.argument("batch")
@click.option("--to", required=True, help="A .jsonl, .csv, .parquet or .db file, or a pattern: out/{custom_id}.md")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["jsonl", "csv", "files", "parquet", "sqlite"]),
    help="The format, if the file extension does not tell it.",
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@click.option("--no-guard", is_flag=True, help="CSV as it is: also cells that a spreadsheet would run as formulas.")
@as_json
def export(*, batch: str, to: str, kind: str | None, force: bool, no_guard: bool, as_json: bool) -> int:
    """Write the results of a retrieved batch to one file, or to one file per result.

    Everything is written, or nothing. Naming a submission of several batches exports all of them, in the order of the
    requests.
    """
    return wait_for(_export(batch, to, kind, force=force, safe=not no_guard, json=as_json))


async def _export(word: str, to: str, kind: str | None, *, force: bool, safe: bool, json: bool) -> int:
    async with desk_for("batchtui export") as desk:
        try:
            report = progress("Exporting")
            (ref,) = understood(await desk.snapshot(), word, more=LISTED).refs
            output = await desk.export(ref, to, kind=kind, overwrite=force, safe=safe, report=report)
            batches = await desk.batches_for(ref)
        except BatchtuiError as error:
            return failed(error, json=json, batch=word)
        await _tell_exported(desk, output, batches)
        wrong = [lacks] if (lacks := _without_file(output, word)) else []
        said = Batches(batches=[batch_json(one) for one in batches], errors=[error_json(one, word) for one in wrong])
        out(dumps(said) if json else inert(output.path))
        for one in wrong:
            complain(one)
        return wrong[0].exit_code if wrong else errors.OK


def _without_file(output: Output, word: str) -> OutputFailed | None:
    """The error for answers that no file can be named after."""
    if not output.unnamed:
        return None
    return OutputFailed(f"{output.unnamed}.", f"One file holds all: batchtui export {shlex.quote(word)} --to out.csv")
