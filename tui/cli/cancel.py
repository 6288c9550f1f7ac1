"""`batchtui cancel` and `batchtui forget`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from batchtui.core import errors
from batchtui.core.batches.batch import UNDER_WAY, Batch, Snapshot, Submission
from batchtui.core.batches.find import find
from batchtui.core.batches.submissions import whole, word_for
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.errors import BatchtuiError, NotAllowed, UsageError
from batchtui.core.text import inert_line, plural
from batchtui.tui.cli.command_desk import as_json, desk_for, failed
from batchtui.tui.cli.report import batch_json, dumps, error_json
from batchtui.tui.cli.terminal import agree, complain, out, say, wait_for
from batchtui.tui.sentences import cancel_question, forget_question, still_sent

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


@click.command()
@click.argument("batch")
@yes_option
@as_json
def cancel(*, batch: str, yes: bool, as_json: bool) -> int:
    """Cancel a batch in progress. Answers that are already there are kept and billed.

    Naming a submission of several batches cancels all of them, and whatever has not been sent yet.
    """
    return wait_for(_cancel(batch, yes=yes, json=as_json))


async def _cancel(word: str, *, yes: bool, json: bool) -> int:
    async with desk_for("batchtui cancel") as desk:
        try:
            batches, whole = meant(await desk.snapshot(), word)
            open_ = _open(batches)
            late = any(one.overdue for one in batches)
            held = [whole] if whole and (whole.waiting or whole.steps or late) and not whole.stopped else []
            if not open_ and not held:
                reason = why_not(Verb.CANCEL, batches[0]) or "There is nothing left to cancel."
                name = inert_line(_word(await desk.snapshot(), batches[0]))
                all_of_it = f"What has no answer is sent at once. To stop that: batchtui cancel {name}"
                raise NotAllowed(reason, all_of_it if late else f"batchtui show {batches[0].label}")
            ask(cancel_question([whole or batches[0]], open_, held), yes=yes)
            refs, wholes = ([], [whole.ref]) if whole else ([one.ref for one in open_], [])
            done = await desk.cancel(*refs, submissions=wholes)
            snapshot = await desk.snapshot()
        except BatchtuiError as error:
            return failed(error, json=json, batch=word)
        shown = done.batches or batches
        for batch in done.batches:
            if batch.state in UNDER_WAY:
                say(f"{batch.label} is being canceled. Once it has ended, you can retrieve what has run.")
            else:
                say(f"{batch.label} had ended before it could be canceled.")
        if held:
            say(f"The rest of {inert_line(held[0].name)} will not be sent.")
        elif rest := _rest(snapshot, shown):
            say(rest)
        if done.sending:
            say(still_sent(done.sending, f"batchtui cancel {inert_line(_word(snapshot, done.sending[0]))}"))
        labels = {one.ref: one.label for one in snapshot.batches}
        if json:
            wrong = [error_json(one, labels.get(ref, ref)) for ref, one in done.failures.items()]
            out(dumps({"batches": [batch_json(one) for one in shown], "errors": wrong}))
        elif done.batches or not done.failures:
            out(_labels(shown))
        for ref, one in done.failures.items():
            complain(BatchtuiError(f"{labels.get(ref, ref)}: {one.message}", one.hint))
        return max((one.exit_code for one in done.failures.values()), default=errors.OK)


def meant(snapshot: Snapshot, word: str) -> tuple[list[Batch], Submission | None]:
    """One batch if `word` is its id, a whole submission if it is a name or ref."""
    try:
        batch = find(snapshot.batches, word)
    except UsageError:
        return whole(snapshot, word)
    submission = snapshot.submissions.get(batch.submission)
    return ([batch], submission if batch.name == word else None)


def _open(batches: Sequence[Batch]) -> list[Batch]:
    return [batch for batch in batches if why_not(Verb.CANCEL, batch) is None]


def _rest(snapshot: Snapshot, batches: Sequence[Batch]) -> str:
    """Tells what is still to be sent of a submission after one of its batches was canceled."""
    submission = snapshot.submissions.get(batches[0].submission)
    if submission is None or submission.stopped or not (submission.waiting or submission.steps):
        return ""
    left = plural(sum(part.requests for part in submission.waiting), "more request")
    steps = plural(len(submission.steps), "more step")
    what = f"{left} of {{}} still waiting to be sent" if submission.waiting else f"{steps} of {{}} may still follow"
    said = what.format(inert_line(submission.name))
    return f"{said}. To cancel all: batchtui cancel {inert_line(word_for(snapshot, submission))}"


def _word(snapshot: Snapshot, batch: Batch) -> str:
    submission = snapshot.submissions.get(batch.submission)
    return word_for(snapshot, submission) if submission else batch.label


def _labels(batches: Sequence[Batch]) -> str:
    return "\n".join(batch.label for batch in batches)


@click.command(short_help="Remove a batch from this machine's list.")
@click.argument("batch")
@yes_option
@as_json
def forget(*, batch: str, yes: bool, as_json: bool) -> int:
    """Remove a batch, or a whole submission by its name, from this machine's list.

    Result files are kept, and so is the API's copy.
    """
    return wait_for(_forget(batch, yes=yes, json=as_json))


async def _forget(word: str, *, yes: bool, json: bool) -> int:
    async with desk_for("batchtui forget") as desk:
        try:
            batches, whole = meant(await desk.snapshot(), word)
            for batch in batches:
                if reason := why_not(Verb.FORGET, batch):
                    raise NotAllowed(reason, f"batchtui show {batch.label}")
            held = [whole] if whole and (whole.waiting or whole.steps) else []
            ask(forget_question([whole or batches[0]], batches, held), yes=yes)
            refs, wholes = ([], [whole.ref]) if whole else ([one.ref for one in batches], [])
            batches = await desk.forget(*refs, submissions=wholes)
        except BatchtuiError as error:
            return failed(error, json=json, batch=word)
        for batch in batches:
            say(f"Forgot {batch.label}.")
        out(dumps({"batches": [batch_json(one) for one in batches], "errors": []}) if json else _labels(batches))
        return errors.OK


def ask(question: str, *, yes: bool) -> None:
    """Continues only if the user agrees. Without a terminal to ask on, --yes is required."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Cannot ask for confirmation without a terminal: use --yes.")
    if not agree(question):
        raise click.Abort
