"""`batchtui cancel` and `batchtui forget`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from batchtui.core import errors, plan
from batchtui.core.batch import Batch, Snapshot, Submission
from batchtui.core.ending import hold_back
from batchtui.core.errors import BatchtuiError, NotAllowed, Usage
from batchtui.core.find import find
from batchtui.core.groups import whole, word_for
from batchtui.core.report import batch_json, dumps
from batchtui.core.text import inert_line, plural
from batchtui.core.verbs import Verb, why_not
from batchtui.tui.cli import agree, out, say, wait_for
from batchtui.tui.cli_desk import as_json, desk_for, failed
from batchtui.tui.sentences import cancel_question, forget_question

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@click.argument("batch")
@yes_option
@as_json
def cancel(*, batch: str, yes: bool, as_json: bool) -> int:
    """Cancel a batch that is under way. Requests that have run are kept and billed.

    The name of a submission of several batches means all of them, and what of it is not sent yet.
    """
    return wait_for(_cancel(batch, yes=yes, json=as_json))


async def _cancel(word: str, *, yes: bool, json: bool) -> int:
    async with desk_for("batchtui cancel") as desk:
        try:
            batches, whole = _meant(await desk.snapshot(), word)
            open_ = _open(batches)
            held = [whole] if whole and (whole.waiting or whole.steps) and not whole.stopped else []
            if not open_ and not held:
                raise NotAllowed(why_not(Verb.CANCEL, batches[0]) or "There is nothing left to cancel.")
            _ask(cancel_question([whole or batches[0]], open_, held), yes=yes)
            await hold_back([one.ref for one in held], desk.means)
            if whole:  # a part may have gone out meanwhile
                open_ = _open(plan.members(await desk.snapshot(), whole))
            canceled = [await desk.cancel(batch.ref) for batch in open_]
            snapshot = await desk.snapshot()
        except BatchtuiError as error:
            return failed(error, json=json)
        shown = canceled or batches
        for batch in canceled:
            say(f"{batch.label} is being canceled. What has run can be retrieved once it has ended.")
        if held:
            say(f"What was left of {inert_line(held[0].name)} will not be sent.")
        elif rest := _rest(snapshot, shown):
            say(rest)
        out(dumps({"batches": [batch_json(one) for one in shown], "errors": []}) if json else _labels(shown))
        return errors.OK


def _meant(snapshot: Snapshot, word: str) -> tuple[list[Batch], Submission | None]:
    """One batch by its id, or a whole submission by its name or ref."""
    try:
        batch = find(snapshot.batches, word)
    except Usage:
        return whole(snapshot, word)
    submission = snapshot.submissions.get(batch.submission)
    return ([batch], submission if batch.name == word else None)


def _open(batches: Sequence[Batch]) -> list[Batch]:
    return [batch for batch in batches if why_not(Verb.CANCEL, batch) is None]


def _rest(snapshot: Snapshot, batches: Sequence[Batch]) -> str:
    """What is still sent of a submission of which one batch was canceled."""
    submission = snapshot.submissions.get(batches[0].submission)
    if submission is None or submission.stopped or not submission.waiting:
        return ""
    left = plural(sum(part.requests for part in submission.waiting), "more request")
    word = inert_line(word_for(snapshot, submission))
    return f"{left} of {inert_line(submission.name)} wait and are still sent. To cancel all: batchtui cancel {word}"


def _labels(batches: Sequence[Batch]) -> str:
    return "\n".join(batch.label for batch in batches)


@click.command()
@click.argument("batch")
@yes_option
@as_json
def forget(*, batch: str, yes: bool, as_json: bool) -> int:
    """Drop a batch, or by its name a whole submission, from this machine's list.

    Result files stay, and so does the API's copy.
    """
    return wait_for(_forget(batch, yes=yes, json=as_json))


async def _forget(word: str, *, yes: bool, json: bool) -> int:
    async with desk_for("batchtui forget") as desk:
        try:
            batches, whole = _meant(await desk.snapshot(), word)
            for batch in batches:
                if reason := why_not(Verb.FORGET, batch):
                    raise NotAllowed(reason)
            held = [whole] if whole and (whole.waiting or whole.steps) else []
            _ask(forget_question([whole or batches[0]], batches, held), yes=yes)
            await hold_back([one.ref for one in held], desk.means)
            for batch in batches:
                await desk.forget(batch.ref)
        except BatchtuiError as error:
            return failed(error, json=json)
        for batch in batches:
            say(f"{batch.label} is forgotten.")
        out(dumps({"batches": [batch_json(one) for one in batches], "errors": []}) if json else _labels(batches))
        return errors.OK


def _ask(question: str, *, yes: bool) -> None:
    """Goes on only if a person agrees; where nobody can be asked, --yes must have said it."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: say --yes.")
    if not agree(question):
        raise click.Abort
