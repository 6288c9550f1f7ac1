"""`batchtui cancel` and `batchtui forget`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from batchtui.core import errors
from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Snapshot
from batchtui.core.batches.find import told_apart
from batchtui.core.batches.forgetting import unsent_with
from batchtui.core.batches.submissions import word_for
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.errors import BatchtuiError, NotAllowed
from batchtui.core.text import inert_line, plural
from batchtui.tui.cli.chosen import choose
from batchtui.tui.cli.command_desk import as_json, desk_for, every_option, failed
from batchtui.tui.cli.records import Batches
from batchtui.tui.cli.report import batch_json, dumps, error_json
from batchtui.tui.cli.terminal import agree, complain, out, say, wait_for
from batchtui.tui.sentences import cancel_question, forget_question, still_sent

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


@click.command()
@click.argument("batch")
@every_option
@yes_option
@as_json
def cancel(*, batch: str, every: bool, yes: bool, as_json: bool) -> int:
    """Cancel a batch in progress. Answers that are already there are kept and billed.

    Naming a submission of several batches cancels all of them, and whatever has not been sent yet.
    """
    return wait_for(_cancel(batch, every=every, yes=yes, json=as_json))


async def _cancel(word: str, *, every: bool, yes: bool, json: bool) -> int:
    async with desk_for("batchtui cancel") as desk:
        try:
            snapshot = await desk.snapshot()
            chosen = choose(snapshot, [word], every=every, unsent=True)
            batches = chosen.batches
            open_ = [one for one in batches if why_not(Verb.CANCEL, one) is None]
            late = {one.submission for one in batches if one.overdue}
            held = [one for one in chosen.wholes if (one.waiting or one.steps or one.ref in late) and not one.stopped]
            if not open_ and not held:
                if not batches:
                    raise NotAllowed("There is nothing left to cancel.", "batchtui list shows them all.")
                reason = why_not(Verb.CANCEL, batches[0]) or "There is nothing left to cancel."
                name = inert_line(_word(snapshot, next((one for one in batches if one.overdue), batches[0])))
                all_of_it = f"What has no answer is sent at once. To stop that: batchtui cancel {name}"
                raise NotAllowed(reason, all_of_it if late else f"batchtui show {batches[0].label}")
            going = {one.ref for one in held} | {one.submission for one in open_}
            going |= {one.submission for one in batches if one.state in UNSETTLED}
            chosen = chosen.only([one for one in chosen.wholes if one.ref in going])
            ask(cancel_question(chosen.rows, open_, held, chosen.called(snapshot)), yes=yes)
            refs = [one.ref for one in open_ if one in chosen.single]
            done = await desk.cancel(*refs, submissions=[one.ref for one in chosen.wholes])
            snapshot = await desk.snapshot()
        except BatchtuiError as error:
            return failed(error, json=json, batch=word)
        shown = done.batches or chosen.batches
        for batch in done.batches:
            if batch.state in UNDER_WAY:
                say(f"{batch.label} is being canceled. Once it has ended, you can retrieve what has run.")
            else:
                say(f"{batch.label} had ended before it could be canceled.")
        for kept in held:
            say(f"The rest of {told_apart(snapshot, [kept.ref]) or inert_line(kept.name)} will not be sent.")
        if not held and (rest := _rest(snapshot, shown)):
            say(rest)
        if done.sending:
            say(still_sent(done.sending, f"batchtui cancel {inert_line(_word(snapshot, done.sending[0]))}"))
        labels = {one.ref: one.label for one in snapshot.batches}
        if json:
            wrong = [error_json(one, labels.get(ref, ref)) for ref, one in done.failures.items()]
            out(dumps(Batches(batches=[batch_json(one) for one in shown], errors=wrong)))
        elif shown and (done.batches or not done.failures):
            out(_labels(shown))
        for ref, one in done.failures.items():
            complain(BatchtuiError(f"{labels.get(ref, ref)}: {one.message}", one.hint))
        return max((one.exit_code for one in done.failures.values()), default=errors.OK)


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
@every_option
@yes_option
@as_json
def forget(*, batch: str, every: bool, yes: bool, as_json: bool) -> int:
    """Remove a batch, or a whole submission by its name, from this machine's list.

    Result files are kept, and so is the API's copy.
    """
    return wait_for(_forget(batch, every=every, yes=yes, json=as_json))


async def _forget(word: str, *, every: bool, yes: bool, json: bool) -> int:
    async with desk_for("batchtui forget") as desk:
        try:
            snapshot = await desk.snapshot()
            chosen = choose(snapshot, [word], every=every)
            for batch in chosen.batches:
                if reason := why_not(Verb.FORGET, batch):
                    raise NotAllowed(
                        f"{batch.label}: {reason}" if len(chosen.batches) > 1 else reason,
                        f"batchtui show {batch.label}",
                    )
            behind = unsent_with(snapshot, chosen.wholes, chosen.single)
            ask(forget_question(chosen.rows, chosen.batches, behind, chosen.called(snapshot)), yes=yes)
            refs, wholes = [one.ref for one in chosen.single], [one.ref for one in chosen.wholes]
            batches = await desk.forget(*refs, submissions=wholes)
        except BatchtuiError as error:
            return failed(error, json=json, batch=word)
        for batch in batches:
            say(f"Forgot {batch.label}.")
        if behind:
            were = "was" if behind == 1 else "were"
            say(f"{plural(behind, 'request')} that waited to be sent {were} dropped with it.")
        out(dumps(Batches(batches=[batch_json(one) for one in batches])) if json else _labels(batches))
        return errors.OK


def ask(question: str, *, yes: bool) -> None:
    """Continues only if the user agrees. Without a terminal to ask on, --yes is required."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Cannot ask for confirmation without a terminal: use --yes.")
    if not agree(question):
        raise click.Abort
