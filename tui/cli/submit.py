"""`batchtui submit`."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path

import click

from batchtui.core import errors
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.submissions import word_for
from batchtui.core.cost.limit import hold
from batchtui.core.desk.desk import Desk
from batchtui.core.desk.examine import examine
from batchtui.core.errors import BatchtuiError
from batchtui.core.requests.check import Checked
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.requests.split import Cut
from batchtui.core.text import inert_line, plural
from batchtui.tui.cli.check import described, tell_notes
from batchtui.tui.cli.command_desk import as_json, desk_for
from batchtui.tui.cli.report import batch_json, dumps, error_json, problem_json, problems
from batchtui.tui.cli.submit_wait import stay
from batchtui.tui.cli.terminal import Amount, agree, complain, out, progress, say, wait_for

ASK_FROM = 1000
"""So many requests are worth a question on a terminal."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it; else the file's name.")
@click.option("--wait", is_flag=True, help="Stay until its results are here, and all that follows them is done.")
@click.option(
    "--yes", is_flag=True, help=f"Do not ask before sending {ASK_FROM:,} requests or more, or several batches."
)
@click.option("--again", is_flag=True, help="Send the same rows a second time within a day, and pay for them again.")
@click.option("--now", is_flag=True, help="Without a batch: answered while you wait, at the standard price.")
@click.option("--parallel", type=click.IntRange(1, 100), metavar="N", help="With --now: so many at a time; else 8.")
@click.option("--split", type=click.IntRange(1, 100_000), metavar="N", help="Several batches of N requests at most.")
@click.option("--max-cost", type=Amount(min=0), metavar="USD", help="Send nothing that could cost more.")
@click.option("--canary", type=click.IntRange(1), metavar="N", help="The first N alone; the rest once they are clean.")
@as_json
def submit(
    *,
    file: Path,
    name: str | None,
    wait: bool,
    yes: bool,
    again: bool,
    now: bool,
    parallel: int | None,
    split: int | None,
    max_cost: float | None,
    canary: int | None,
    as_json: bool,
) -> int:
    """Submit a FILE of requests as one Message Batch, exactly once.

    FILE holds a JSON object {"custom_id": ..., "params": {...}} a line. Its problems are all said before anything
    is sent. Afterwards this terminal, and this machine, may be closed.
    """
    if now:
        from batchtui.tui.cli.submit_now import run_now

        if split or canary:
            raise click.UsageError("--split and --canary are for batches, and go without --now.")
        return wait_for(run_now(file, name, parallel=parallel, max_cost=max_cost, yes=yes, again=again, json=as_json))
    if parallel is not None:
        raise click.UsageError("--parallel goes with --now.")
    cut = Cut(canary or 0, split or 0) if split or canary else None
    return wait_for(_submit(file, name, cut, max_cost, wait=wait, yes=yes, again=again, json=as_json))


async def _submit(
    file: Path,
    name: str | None,
    cut: Cut | None,
    max_cost: float | None,
    *,
    wait: bool,
    yes: bool,
    again: bool,
    json: bool,
) -> int:
    async with desk_for("batchtui submit") as desk:
        began = desk.clock()
        try:
            agreed = yes or cut is not None
            looked = await examine(file, desk.means, name=name or "", one_batch=not agreed, report=progress("Checking"))
            if looked.checked.only_too_long and _several(looked.checked):
                looked = await examine(
                    file, desk.means, name=name or "", one_batch=False, report=progress("Checking again")
                )
            if cut is None and looked.checked.batches > 1:
                cut = Cut()
            if not looked.checked.ok:
                raise NotSubmittable(looked.checked)
            tell_notes(looked)
            hold(looked.estimate, max_cost if max_cost is not None else looked.max_cost)
            if not yes and looked.checked.requests >= ASK_FROM and sys.stdin.isatty() and sys.stderr.isatty():
                say("\n".join(described(looked)))
                if not agree("Send them?"):
                    raise click.Abort
            estimated = looked.estimate.batch_usd if looked.estimate else None
            batch = await desk.submit(
                file,
                name=name,
                again=again,
                cut=cut,
                estimated_usd=estimated,
                max_cost=max_cost,
                sha256=looked.checked.sha256,
                report=progress("Submitting"),
            )
        except NotSubmittable as error:
            if json:
                wrong = [problem_json(one) for one in error.checked.problems]
                out(dumps({"batches": [], "problems": error.checked.problem_count, "errors": wrong}))
            say(f"batchtui: {inert_line(str(file))} was not submitted: nothing was sent.")
            say(problems(error.checked))
            return error.exit_code
        except BatchtuiError as error:
            return await _not_submitted(desk, error, json=json)
        except asyncio.CancelledError:
            await _tell_unsure(desk, began)
            raise
        if not json or wait:
            await _tell(desk, batch)
        if wait:
            return await stay(desk, batch.submission, json=json)
        sent = await _sent(desk, batch)
        if json:
            out(dumps({"batches": [batch_json(one) for one in sent], "errors": []}))
        else:
            out("\n".join(one.label for one in sent))
        return errors.OK


async def _sent(desk: Desk, batch: Batch) -> list[Batch]:
    """All parts that went out with the first one."""
    snapshot = await desk.snapshot()
    submission = snapshot.submissions.get(batch.submission)
    return (plan.members(snapshot, submission) if submission else []) or [batch]


def _several(checked: Checked) -> bool:
    """Whether a person agrees that a file that is too long for one batch goes as several; not where there is none."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    say(checked.problems[0].message)
    return agree(f"Send it as several batches ({checked.batches} or more) under one name?")


async def _not_submitted(desk: Desk, error: BatchtuiError, *, json: bool) -> int:
    unsure: list[Batch] = []
    if error.exit_code == errors.NEEDS_PERSON:
        unsure = [one for one in (await desk.snapshot()).batches if one.state is State.UNCONFIRMED][:1]
    if json:
        label = unsure[0].ref if unsure else None
        out(dumps({"batches": [batch_json(one) for one in unsure], "errors": [error_json(error, label)]}))
    complain(error)
    return error.exit_code


async def _tell_unsure(desk: Desk, began: datetime) -> None:
    """Says of what was being sent when it was interrupted that nobody knows what became of it."""
    for one in (await desk.snapshot()).batches:
        if one.state is State.UNCONFIRMED and one.submitted_at >= began and one.trouble:
            hint = "Do not submit it again: batchtui --once looks for it in the API's list."
            complain(BatchtuiError(f"{one.ref}: {one.trouble.message}", hint))


async def _tell(desk: Desk, batch: Batch) -> None:
    sent = await _sent(desk, batch)
    labels = batch.label if len(sent) == 1 else plural(len(sent), "batch", "batches")
    say(f"Submitted {plural(sum(one.requests for one in sent), 'request')} as {inert_line(batch.name)}: {labels}")
    snapshot = await desk.snapshot()
    submission = snapshot.submissions.get(batch.submission)
    several = submission and (submission.waiting or submission.steps or len(submission.batches) > 1)
    word = inert_line(word_for(snapshot, submission)) if submission and several else batch.label
    if submission and submission.waiting:
        left = sum(part.requests for part in submission.waiting)
        said = f": {inert_line(submission.trouble.message)}" if submission.trouble else ""
        say(f"{plural(left, 'more request')} wait and are sent by whichever batchtui polls{said}")
    for step in submission.steps if submission else ():
        say(f"Then follows the step {inert_line(step)}, by itself.")
    if batch.doubtful:
        say("The API's answer was lost; the batch was found in its list by its time and size.")
    say("You can close this terminal. The results can be had for 29 days:")
    say(f"  batchtui retrieve {word}")
    kept = desk.paths.archive(batch.ref) if len(sent) == 1 else desk.paths.requests
    say(f"Its requests are kept in {kept}")
