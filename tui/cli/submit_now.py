"""`batchtui submit FILE --now`: the same rows through the Messages API, answered while one waits."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click
from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, Submission
from batchtui.core.batches.price import STANDARD
from batchtui.core.batches.submissions import with_submission
from batchtui.core.cost.estimate import Estimate
from batchtui.core.cost.limit import hold, most_usd
from batchtui.core.cost.preflight import Preflight
from batchtui.core.desk.examine import examine
from batchtui.core.desk.now import Finished, Urgent
from batchtui.core.desk.now_ask import PARALLEL
from batchtui.core.desk.now_runs import Unfinished
from batchtui.core.errors import BatchtuiError, Stopped
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.text import inert_line, money, number, plural
from batchtui.tui.cli.command_desk import desk_for, failed, not_submittable, tell_outputs
from batchtui.tui.cli.progress_line import Line
from batchtui.tui.cli.report import batch_json, dumps, error_json
from batchtui.tui.cli.terminal import agree, complain, out, progress, say


async def run_now(
    file: Path, name: str | None, *, parallel: int | None, max_cost: float | None, yes: bool, again: bool, json: bool
) -> int:
    """Says the price, asks on a terminal, and stays until every request is answered. The same command goes on with a
    run that was stopped."""
    async with desk_for("batchtui submit --now") as desk:
        urgent, parallel = Urgent(desk.means), parallel or PARALLEL
        try:
            begun = None if again else await urgent.begun(file)
            if begun:
                _announce_rest(begun)
                _agree(yes=yes)
                submission = begun.submission
            else:
                looked = await examine(file, desk.means, name=name or "", one_batch=False, report=progress("Checking"))
                if looked.estimate is None:
                    raise NotSubmittable(looked.checked)
                price = looked.estimate.standard_usd
                known = await urgent.look(looked.checked.sha256, again=again)
                _announce(looked, looked.estimate, known, parallel)
                _announce_steps(file)
                hold(looked.estimate, max_cost if max_cost is not None else looked.max_cost, STANDARD)
                _agree(yes=yes)
                submission = await urgent.begin(file, name=name, again=again, estimated_usd=price)
            began = desk.clock()
            finished = await _finish(urgent, submission, parallel, max_cost)
            await desk.poke()
        except NotSubmittable as error:
            return not_submittable(file, error, json=json)
        except BatchtuiError as error:
            return failed(error, json=json)
        snapshot = await desk.snapshot()
        batches = plan.members(
            replace(snapshot, batches=with_submission(snapshot)), snapshot.submissions.get(submission.ref, submission)
        )
        code = _tell(finished, batches, json=json)
        await tell_outputs(batches, began)
        return code


def _announce(looked: Preflight, estimate: Estimate, known: Unfinished | None, parallel: int) -> None:
    models = ", ".join(inert_line(model, 60) for model in looked.checked.models)
    say(f"{plural(looked.checked.requests, 'request')} to {models}, without a batch and {parallel} at a time.")
    if estimate.standard_usd is None:
        say(f"What it costs is not known: no price for {', '.join(inert_line(one, 60) for one in estimate.unpriced)}.")
    else:
        likely, most = money(estimate.standard_usd), money(most_usd(estimate, STANDARD))
        about = f"About {likely}" + (f", at most {most}," if most != likely else "")
        say(f"{about} at the standard price; {money(estimate.batch_usd)} in a batch ({estimate.how}).")
    for note in looked.notes:
        say(note)
    if known:
        left = looked.checked.requests - known.answered
        say(f"{number(known.answered)} are answered by an earlier run; {number(left)} are left.")


def _announce_steps(file: Path) -> None:
    if file.suffix == ".toml":
        from batchtui.core.jobs.read_job import read_job

        for step in read_job(file).steps[1:]:
            say(f"Then follows the step {inert_line(step.name, 60)}, the same way; its price is not in this.")


def _announce_rest(begun: Unfinished) -> None:
    submission = begun.submission
    said = f"{number(begun.answered)} of {plural(submission.requests, 'request')}"
    say(f"{said} of {inert_line(submission.name, 60)} are answered by an earlier run, which goes on where it ended.")
    for step in submission.steps:
        say(f"Then follows the step {inert_line(step, 60)}.")


def _agree(*, yes: bool) -> None:
    if not yes and sys.stdin.isatty() and sys.stderr.isatty() and not agree("Send them?"):
        raise click.Abort


async def _finish(urgent: Urgent, submission: Submission, parallel: int, max_cost: float | None) -> Finished:
    """Until all is answered and written. The first Ctrl+C waits for what is under way, which is paid for; the second
    does not."""
    stop, loop, task = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()
    assert task
    interrupts = 0

    def interrupted() -> None:
        nonlocal interrupts
        interrupts += 1
        stop.set()
        if interrupts == 1:
            say("\nStopping: the answers under way still come in. Ctrl+C again gives them up.")
        elif interrupts == 2:
            task.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        return await urgent.finish(
            submission, parallel=parallel, stop=stop, max_cost=max_cost, report=_counter(), tell=say
        )
    except asyncio.CancelledError:
        if not interrupts:
            raise
        task.uncancel()
        raise Stopped(
            "It was stopped before the end. What was under way may be billed.", await urgent.how_to_go_on(submission)
        ) from None
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _counter() -> Callable[[int, int | None], None] | None:
    if not sys.stderr.isatty():
        return None
    return Line("Answered", sys.stderr, number).report


def _tell(finished: Finished, batches: list[Batch], *, json: bool) -> int:
    trouble = finished.trouble
    problems = [BatchtuiError(trouble.message, trouble.hint)] if trouble else []
    if json:
        errors_json = [error_json(one) for one in problems]
        out(dumps({"batches": [batch_json(batch) for batch in batches], "errors": errors_json}))
    for batch in batches:
        if not json:
            out(batch.label)
        counts = batch.request_counts
        cost = f" for {money(batch.cost.actual_usd)}" if batch.cost.actual_usd is not None else ""
        say(f"Answered {number(counts.succeeded)} of {plural(counts.total, 'request')}{cost}: {batch.results_path}")
    for one in problems:
        complain(one)
    if problems:
        return errors.FAILED
    failures = sum(batch.request_counts.failed for batch in batches if not batch.retry_of)
    mended = sum(batch.request_counts.succeeded for batch in batches if batch.retry_of)
    return errors.SOME_FAILED if failures > mended else errors.OK
