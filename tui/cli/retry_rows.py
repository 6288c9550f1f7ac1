"""`batchtui retry --rows FILE`: writes the failed rows to a file for editing, then sends that file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from batchtui.core import errors
from batchtui.core.batches.find import told_apart
from batchtui.core.batches.submissions import whole
from batchtui.core.cost.estimate import in_words as price
from batchtui.core.desk.desk import Desk
from batchtui.core.desk.retry_edited import Edited
from batchtui.core.desk.retry_proposal import Proposal, in_words
from batchtui.core.errors import BatchtuiError
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.text import inert, inert_line, plural
from batchtui.tui.cli.check import tell_notes
from batchtui.tui.cli.command_desk import desk_for, failed, not_submittable, tell_sent, understood
from batchtui.tui.cli.records import Retried
from batchtui.tui.cli.report import dumps
from batchtui.tui.cli.terminal import agree, out, progress, say


async def run_rows(word: str, file: Path, max_cost: float | None, *, every: bool, yes: bool, json: bool) -> int:
    """Sends the file's rows if it exists, otherwise writes it; the exit code."""
    there = os.path.lexists(file)
    if there and not yes and not sys.stdin.isatty():
        raise click.UsageError("Cannot ask for confirmation without a terminal: use --yes.")
    async with desk_for("batchtui retry") as desk:
        try:
            snapshot = await desk.snapshot()
            refs = understood(snapshot, word, every=every).refs
            proposal = await desk.propose_edit([one.ref for ref in refs for one in whole(snapshot, ref)[0]])
            if there:
                if what := told_apart(snapshot, refs):
                    say(f"Retry of {what}.")
                return await _send(desk, proposal, file, max_cost, yes=yes, json=json)
            return await _write(desk, proposal, file, json=json)
        except NotSubmittable as error:
            return not_submittable(file, error, json=json)
        except BatchtuiError as error:
            return failed(error, json=json, batch=word)


async def _write(desk: Desk, proposal: Proposal, file: Path, *, json: bool) -> int:
    await desk.write_failed(proposal, str(file))
    causes = proposal.chosen.causes
    shown = inert_line(str(file))
    say(f"Wrote {plural(len(proposal.chosen.ids), 'failed request')} ({in_words(causes)}) to {shown}.")
    say("Nothing was sent. Edit the file, leave each custom_id unchanged, then run the same command again.")
    say(f"  batchtui show {proposal.first.label}    says why they failed")
    if json:
        out(dumps(Retried(batches=[], written=str(file), failed=causes, errors=[])))
    else:
        out(inert(str(file)))
    return errors.OK


async def _send(desk: Desk, proposal: Proposal, file: Path, max_cost: float | None, *, yes: bool, json: bool) -> int:
    causes: dict[str, int] = {}
    left: dict[str, int] = {}

    def agreed(edited: Edited) -> bool:
        chosen = edited.proposal.chosen
        causes.update(chosen.causes)
        left.update(chosen.left)
        shown = inert_line(str(file))
        say(f"To resend from {shown}: {plural(len(chosen.ids), 'request')} ({in_words(causes)}).")
        if edited.looked.estimate:
            say(price(edited.looked.estimate, plain=desk.settings.ascii))
        if left:
            say(f"Not in the file, so not sent: {in_words(left)}.")
        tell_notes(edited.looked)
        return yes or agree("Send them?")

    sending = progress("Submitting")
    batch = await desk.retry_edited(proposal, file, agreed=agreed, max_cost=max_cost, report=sending)
    if batch is None:
        raise click.Abort
    tell_sent([batch], causes, left, json=json)
    return errors.OK
