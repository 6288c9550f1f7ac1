"""`batchtui wait`, and the waiting of `submit --wait`: until all is done, or cannot go on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, Snapshot, State
from batchtui.core.batches.deadline import carried_on
from batchtui.core.batches.standing import standing
from batchtui.core.batches.submissions import with_submission, word_for
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError, Failure, OutcomeUnknown, Stopped, said_before
from batchtui.core.text import inert_line, number, plural
from batchtui.tui.cli.command_desk import (
    as_json,
    desk_for,
    every_option,
    failed,
    meant,
    outcome,
    tell_outputs,
    worst,
)
from batchtui.tui.cli.records import Batches
from batchtui.tui.cli.report import batch_json, dumps, failures_json
from batchtui.tui.cli.terminal import Amount, complain, out, progress, say, wait_for


@click.command(short_help="Wait until answers, outputs and next steps are all there.")
@click.argument("batches", nargs=-1, required=True, metavar="BATCH...")
@click.option(
    "--timeout", type=Amount(0, 31 * 86_400), metavar="S", help="Stop waiting after S seconds, with exit code 8."
)
@every_option
@as_json
def wait(*, batches: tuple[str, ...], timeout: float | None, every: bool, as_json: bool) -> int:
    """Wait until the answers of each BATCH are here, and all that follows: parts, steps, retries and outputs.

    It needs no other process: it polls, unless another batchtui does. A BATCH stands for its whole submission. The exit
    code is that of what was found: 3 if requests have no usable answer, 6 if a person must decide, 8 if the time is up.
    """
    return wait_for(_wait(batches, timeout, every=every, json=as_json))


async def _wait(words: Sequence[str], patience: float | None, *, every: bool, json: bool) -> int:
    async with desk_for("batchtui wait") as desk:
        found: list[str] = []
        for word in words:
            try:
                for ref in (await meant(desk, word, every=every)).refs:
                    found += [one.submission for one in await desk.batches_for(ref)]
            except BatchtuiError as error:
                return failed(error, json=json, batch=word)
        return await stay(desk, list(dict.fromkeys(found)), patience=patience, json=json)


async def stay(desk: Desk, submissions: Sequence[str], *, patience: float | None = None, json: bool) -> int:
    """Waits until every part and step is retrieved and its outputs are written, or until nothing more can be done.
    Then reports what is there; the exit code."""
    began = desk.clock()
    try:
        await desk.wait(*submissions, patience=patience, report=progress("Retrieving"), tell=_say_trouble)
    except BatchtuiError as error:
        batches = _known(await desk.snapshot(), submissions)
        return failed(error, json=json, batches=[batch_json(one) for one in batches])
    except asyncio.CancelledError:
        stopped = Stopped("Interrupted while waiting.", "All goes on: batchtui wait again, or batchtui --once.")
        batches = _known(await desk.snapshot(), submissions)
        return failed(stopped, json=json, batches=[batch_json(one) for one in batches])
    snapshot = await desk.snapshot()
    batches = _known(snapshot, submissions)
    failures = [*standing(snapshot, submissions)]
    said = {one.message for one in failures}
    failures += [one for one in map(_unretrieved, batches) if one and one.message not in said]
    if json:
        out(dumps(Batches(batches=[batch_json(one) for one in batches], errors=failures_json(failures, batches))))
    else:
        for one in batches:
            out(one.label)
    for one in batches:
        if one.state is State.RETRIEVED:
            say(f"{one.share}: {one.results_path}")
    for ref in submissions:
        if left := _without_answer(snapshot, ref, batches):
            say(left)
    await tell_outputs(desk, batches, began)
    for failure in failures:
        complain(failure.error)
    return worst([_answered(snapshot, submissions, batches), *(one.error.exit_code for one in failures)])


def _say_trouble(text: str) -> None:
    say(f"batchtui: {inert_line(text, 2000)}")


def _known(snapshot: Snapshot, submissions: Sequence[str]) -> list[Batch]:
    """The batches of submissions, which carry their submission's outputs and trouble."""
    told = replace(snapshot, batches=with_submission(snapshot))
    known = (snapshot.submissions.get(ref) for ref in submissions)
    return [one for submission in known if submission for one in plan.members(told, submission)]


def _unretrieved(batch: Batch) -> Failure | None:
    """Why a batch has no results and will have none; None if it has."""
    if batch.state is State.RETRIEVED:
        return None
    message = batch.trouble.message if batch.trouble else f"{batch.label} is {batch.state.words}."
    hint = batch.trouble.hint if batch.trouble else f"batchtui show {batch.label}"
    if batch.state is State.UNCONFIRMED:
        return Failure(batch.ref, OutcomeUnknown(message, hint))
    return Failure(batch.ref, said_before(batch.trouble.code if batch.trouble else "", message, hint))


def _without_answer(snapshot: Snapshot, ref: str, batches: Sequence[Batch]) -> str:
    """Why requests of a submission have no usable answer, each by its latest attempt; empty if all have one."""
    submission = snapshot.submissions[ref]
    whole = plan.outcomes([one for one in batches if one.submission == ref], submission.waiting)
    if whole is None or not whole.unanswered:
        return ""
    of = f"{number(whole.unanswered)} of {plural(whole.total, 'request')} of {inert_line(submission.name)}"
    return f"Without a usable answer: {of} ({whole.words()}). batchtui retry {word_for(snapshot, submission)}"


def _answered(snapshot: Snapshot, submissions: Sequence[str], batches: Sequence[Batch]) -> int:
    """The exit code for the answers: each request counts by its latest attempt, also one that is sent at once."""
    for ref in submissions:
        ours = [one for one in batches if one.submission == ref]
        whole = plan.outcomes(ours, snapshot.submissions[ref].waiting)
        if whole.unanswered if whole else any(outcome(one) for one in ours if not carried_on(snapshot, one)):
            return errors.SOME_FAILED
    return errors.OK
