"""`batchtui submit`."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path

import click
from msgspec import Struct

from batchtui.core import errors
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, Snapshot, State
from batchtui.core.batches.deadline_text import in_words
from batchtui.core.batches.submissions import word_for
from batchtui.core.cost.preflight import Preflight
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError, SameRows, SentBefore, Stopped
from batchtui.core.pipes import steady
from batchtui.core.requests.check import Checked
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.requests.split import Cut
from batchtui.core.text import inert_line, plural
from batchtui.tui.cli.command_desk import as_json, beta, desk_for, failed, not_submittable
from batchtui.tui.cli.records import Batches
from batchtui.tui.cli.report import batch_json, dumps, error_json
from batchtui.tui.cli.submit_agree import ASK_FROM, agree_to
from batchtui.tui.cli.terminal import DOLLARS, Count, Deadline, FilePath, agree, complain, out, progress, say, wait_for
from batchtui.tui.cli.wait import stay


@click.command()
@click.argument("file", type=FilePath())
@click.option("--name", help="Name of the submission; by default the file's name.")
@click.option("--wait", is_flag=True, help="Wait until the results are here and everything that follows them is done.")
@click.option(
    "--yes",
    is_flag=True,
    help=f"Do not ask before sending {ASK_FROM:,} or more requests, several batches, or a job that runs programs or "
    "reads or writes outside its folder.",
)
@click.option("--again", is_flag=True, help="Send the same rows a second time within a day, and pay for them again.")
@click.option("--now", is_flag=True, help="Send without a batch: get answers while you wait, at the standard price.")
@click.option(
    "--parallel",
    type=Count(1, 100),
    metavar="N",
    help="With --now: how many requests run at a time; 8 by default.",
)
@click.option("--split", type=Count(1, 100_000), metavar="N", help="Split into batches of at most N requests.")
@click.option(
    "--deadline",
    type=Deadline(),
    default="",
    metavar="D",
    help="What has not ended by then is canceled and sent at once, at the standard price: 90m, 6h, 1d, or a time with "
    "its zone.",
)
@click.option("--max-cost", type=DOLLARS, metavar="USD", help="Send nothing that could cost more than this.")
@click.option(
    "--canary",
    type=Count(1, 100_000),
    metavar="N",
    help="Send the first N alone; the rest only if all N are answered.",
)
@beta
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
    deadline: str,
    max_cost: float | None,
    canary: int | None,
    betas: tuple[str, ...],
    as_json: bool,
) -> int:
    """Submit the requests in FILE as one Message Batch, exactly once.

    FILE holds one JSON object {"custom_id": ..., "params": {...}} per line, or is a job file (.toml). All its problems
    are reported before anything is sent. Afterwards you can close the terminal, or the laptop.
    """
    if now:
        from batchtui.tui.cli.submit_now import run_now

        if split or canary:
            raise click.UsageError("--split and --canary are for batches: do not combine them with --now.")
        if deadline:
            raise click.UsageError("--now sends at once, so there is nothing to wait for: leave out --deadline.")
        with steady(file) as given:
            run = run_now(
                given, name, parallel=parallel, max_cost=max_cost, yes=yes, again=again, betas=betas, json=as_json
            )
            return wait_for(run)
    if parallel is not None:
        raise click.UsageError("--parallel needs --now.")
    cut = Cut(canary or 0, split or 0) if split or canary else None
    with steady(file) as given:
        wanted = _Wanted(given, name, cut, max_cost, deadline, betas, wait=wait, yes=yes, again=again, json=as_json)
        return wait_for(_submit(wanted))


class _Wanted(Struct, frozen=True):
    """The options given on the command line."""

    file: Path
    name: str | None
    cut: Cut | None
    max_cost: float | None
    deadline: str
    betas: tuple[str, ...]
    wait: bool
    yes: bool
    again: bool
    json: bool


async def _submit(wanted: _Wanted) -> int:
    async with desk_for("batchtui submit", betas=wanted.betas) as desk:
        began = desk.clock()
        try:
            looked = await _look(desk, wanted)
            agree_to(looked, wanted.file, desk.clock(), yes=wanted.yes, plain=desk.settings.ascii)
            batch = await _send(desk, looked, wanted)
        except NotSubmittable as error:
            return not_submittable(wanted.file, error, json=wanted.json)
        except BatchtuiError as error:
            return await _not_submitted(desk, error, json=wanted.json)
        except asyncio.CancelledError:
            if unsure := await _unsure(desk, began):
                return await _not_submitted(desk, unsure, json=wanted.json)
            raise
        return await _tell(desk, batch, wanted)


async def _look(desk: Desk, wanted: _Wanted) -> Preflight:
    """Checks the file. If it is too long for one batch, checks it again once the user agrees to split it."""

    async def examined(words: str, *, one_batch: bool) -> Preflight:
        return await desk.examine(
            wanted.file,
            name=wanted.name or "",
            one_batch=one_batch,
            again=wanted.again,
            max_cost=wanted.max_cost,
            deadline=wanted.deadline,
            report=progress(words),
        )

    looked = await examined("Checking", one_batch=not (wanted.yes or wanted.cut))
    if looked.checked.only_too_long and _several(looked.checked):
        looked = await examined("Checking again", one_batch=False)
    if not looked.checked.ok:
        raise NotSubmittable(looked.checked)
    return looked


async def _send(desk: Desk, looked: Preflight, wanted: _Wanted) -> Batch:
    """Sends it. If some rows of a job were sent before, asks first; without a terminal, and if they are the very same
    rows, only `--again` sends them again."""
    try:
        return await _sent_once(desk, looked, wanted, again=wanted.again)
    except SentBefore as error:
        if isinstance(error, SameRows) or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        complain(error)
        if not agree("Buy all of it again?"):
            raise click.Abort from None
    return await _sent_once(desk, looked, wanted, again=True)


async def _sent_once(desk: Desk, looked: Preflight, wanted: _Wanted, *, again: bool) -> Batch:
    return await desk.submit(
        wanted.file,
        name=wanted.name,
        again=again,
        cut=wanted.cut or (Cut() if looked.checked.batches > 1 else None),
        looked=looked,
        max_cost=wanted.max_cost,
        deadline=wanted.deadline,
        report=progress("Submitting"),
    )


async def _tell(desk: Desk, batch: Batch, wanted: _Wanted) -> int:
    """Reports what was sent, and with --wait waits until it is done; the exit code."""
    if not wanted.json or wanted.wait:
        await _say_sent(desk, batch)
    if wanted.wait:
        return await stay(desk, [batch.submission], json=wanted.json)
    sent = await _sent(desk, batch)
    refused = _refused(await desk.snapshot(), batch)
    if wanted.json:
        wrong = [error_json(refused)] if refused else []
        out(dumps(Batches(batches=[batch_json(one) for one in sent], errors=wrong)))
    else:
        out("\n".join(one.label for one in sent if one.state is not State.REJECTED))
    if refused:
        complain(refused)
    return refused.exit_code if refused else errors.OK


def _refused(snapshot: Snapshot, batch: Batch) -> BatchtuiError | None:
    """What stopped a submission before all of it was sent, and how to send the rest; None if nothing did."""
    submission = snapshot.submissions.get(batch.submission)
    if submission is None or not (submission.stopped and submission.trouble):
        return None
    left = sum(part.requests for part in submission.waiting)
    left += sum(one.requests for one in plan.members(snapshot, submission) if one.state is State.REJECTED)
    if not left:
        return None
    hint = f"Once the cause is gone: batchtui retry {inert_line(word_for(snapshot, submission))}"
    return BatchtuiError(f"{plural(left, 'request')} not sent: {submission.trouble.message}", hint)


async def _sent(desk: Desk, batch: Batch) -> list[Batch]:
    """All parts sent together with the first one."""
    snapshot = await desk.snapshot()
    submission = snapshot.submissions.get(batch.submission)
    return (plan.members(snapshot, submission) if submission else []) or [batch]


def _several(checked: Checked) -> bool:
    """Whether the user agrees to send a file that is too long as several batches. False without a terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    say(checked.problems[0].message)
    return agree(f"Send it as {checked.batches} or more batches under one name?")


async def _not_submitted(desk: Desk, error: BatchtuiError, *, json: bool) -> int:
    unsure: list[Batch] = []
    if error.exit_code == errors.NEEDS_PERSON or isinstance(error, _Unsure):
        unsure = [one for one in (await desk.snapshot()).batches if one.state is State.UNCONFIRMED][:1]
    label = unsure[0].ref if unsure else None
    return failed(error, json=json, batch=label, batches=[batch_json(one) for one in unsure])


class _Unsure(Stopped):
    """It is not known what became of a batch whose sending was interrupted."""


async def _unsure(desk: Desk, began: datetime) -> _Unsure | None:
    for one in (await desk.snapshot()).batches:
        if one.state is State.UNCONFIRMED and one.submitted_at >= began and one.trouble:
            hint = "Do not submit it again: batchtui --once looks for it in the API's list."
            return _Unsure(f"{one.ref}: {one.trouble.message}", hint)
    return None


async def _say_sent(desk: Desk, batch: Batch) -> None:
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
        say(f"{plural(left, 'more request')} waiting for the batchtui that polls to send them{said}")
    for step in submission.steps if submission else ():
        say(f"The step {inert_line(step)} follows automatically.")
    if submission and submission.deadline:
        said = in_words(submission.deadline, desk.clock())
        say(f"Its deadline is {said}: it takes a batchtui that polls then, such as batchtui monitor.")
    if batch.doubtful:
        say("The API's answer was lost; the batch was found in its list by its time and count.")
    say("You can close this terminal. The results can be retrieved for 29 days:")
    say(f"  batchtui retrieve {word}")
    kept = desk.paths.archive(batch.ref) if len(sent) == 1 else desk.paths.requests
    say(f"Its requests are kept in {kept}")
