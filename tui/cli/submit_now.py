"""`batchtui submit FILE --now`: sends the same rows through the Messages API and waits for the answers."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click

from batchtui.core import errors
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch
from batchtui.core.batches.price import STANDARD
from batchtui.core.batches.submissions import with_submission
from batchtui.core.cost.limit import most_usd
from batchtui.core.cost.preflight import Preflight
from batchtui.core.desk.now import NowProposal
from batchtui.core.desk.now_ask import PARALLEL
from batchtui.core.desk.now_run import Finished
from batchtui.core.desk.now_runs import Unfinished
from batchtui.core.errors import BatchtuiError
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.requests.touch import NotAgreed
from batchtui.core.text import inert_line, likely, likely_and_most, money, number, plural
from batchtui.tui.cli.check import touched
from batchtui.tui.cli.command_desk import desk_for, failed, not_submittable, tell_outputs
from batchtui.tui.cli.progress_line import Line
from batchtui.tui.cli.records import Batches
from batchtui.tui.cli.report import batch_json, dumps, error_json
from batchtui.tui.cli.terminal import agree, complain, out, progress, say


async def run_now(
    file: Path,
    name: str | None,
    *,
    parallel: int | None,
    max_cost: float | None,
    yes: bool,
    again: bool,
    betas: tuple[str, ...],
    json: bool,
) -> int:
    """Shows the price, asks if there is a terminal, and waits until every request is answered. The same command
    continues a run that was stopped."""
    async with desk_for("batchtui submit --now", betas=betas) as desk:
        began = desk.clock()
        interrupts = _Interrupts()

        def agreed(proposal: NowProposal) -> bool:
            nonlocal began
            _announce(proposal, parallel or PARALLEL, plain=desk.settings.ascii)
            _agree(file, proposal, yes=yes)
            interrupts.begin()
            began = desk.clock()
            return True

        try:
            finished = await desk.now(
                file,
                name=name,
                again=again,
                max_cost=max_cost,
                parallel=parallel,
                agreed=agreed,
                stop=interrupts.stop,
                give_up=interrupts.give_up,
                checking=progress("Checking"),
                report=_counter(),
                tell=say,
            )
        except NotSubmittable as error:
            return not_submittable(file, error, json=json)
        except BatchtuiError as error:
            return failed(error, json=json)
        finally:
            interrupts.end()
        assert finished
        known = {one.ref: one for one in with_submission(await desk.snapshot())}
        batches = [known.get(one.ref, one) for one in finished.batches]
        code = _tell(finished, batches, json=json)
        await tell_outputs(desk, batches, began)
        return code


def _announce(proposal: NowProposal, parallel: int, *, plain: bool) -> None:
    looked, known = proposal.looked, proposal.known
    if looked is None:
        assert known
        _announce_rest(known)
        if proposal.changed:
            say("Its rows are those it began with. For rows that came since, run the same command again.")
        return
    _announce_price(looked, parallel, plain=plain)
    if known:
        left = looked.checked.requests - known.answered
        say(f"An earlier run answered {number(known.answered)}; {number(left)} are left.")
    for step, estimate in looked.later:
        requests = plural(estimate.requests, "request")
        say(f"The step {inert_line(step, 60)} follows the same way: {requests}, included in the price.")
    if looked.over_limit:
        raise looked.over_limit


def _announce_price(looked: Preflight, parallel: int, *, plain: bool) -> None:
    models = ", ".join(inert_line(model, 60) for model in looked.checked.models)
    say(f"{plural(looked.checked.requests, 'request')} to {models}, without a batch and {parallel} at a time.")
    estimate = looked.whole
    assert estimate
    if estimate.standard_usd is None:
        say(f"The cost is not known: no price for {', '.join(inert_line(one, 60) for one in estimate.unpriced)}.")
    else:
        said = likely_and_most(estimate.standard_usd, most_usd(estimate, STANDARD), plain=plain)
        if estimate.unbounded:
            said += f", with no upper bound because of {inert_line(' and '.join(estimate.unbounded), 120)},"
        say(f"{said} at the standard price; {likely(estimate.batch_usd)} in a batch ({estimate.how}).")
    for note in looked.notes:
        say(note)


def _announce_rest(begun: Unfinished) -> None:
    submission = begun.submission
    said = f"{number(begun.answered)} of {plural(submission.requests, 'request')}"
    say(f"An earlier run answered {said} of {inert_line(submission.name, 60)}; it continues where it stopped.")
    for step in submission.steps:
        say(f"The step {inert_line(step, 60)} follows.")


def _agree(file: Path, proposal: NowProposal, *, yes: bool) -> None:
    """Raises click.Abort if the user says no, NotAgreed if nobody can be asked what the job may touch."""
    if lines := touched(proposal.touches):
        say("\n".join(lines))
    if yes:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        if not agree("Send them, and let the job do all that?" if lines else "Send them?"):
            raise click.Abort
    elif lines:
        raise NotAgreed(file, proposal.touches)


class _Interrupts:
    """The first Ctrl+C waits for the requests in progress, which are paid for. The second does not."""

    def __init__(self) -> None:
        self.stop, self.give_up = asyncio.Event(), asyncio.Event()
        self._begun = False

    def begin(self) -> None:
        """From now on Ctrl+C is counted, and does not end the command on its own."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupted)
        self._begun = True

    def _interrupted(self) -> None:
        if self.stop.is_set():
            self.give_up.set()
            return
        self.stop.set()
        say("\nStopping: waiting for the requests in progress. Press Ctrl+C again to give them up.")

    def end(self) -> None:
        """Lets Ctrl+C end the command again."""
        if self._begun:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


def _counter() -> Callable[[int, int | None], None] | None:
    if not sys.stderr.isatty():
        return None
    return Line("Answered", sys.stderr, number).report


def _tell(finished: Finished, batches: list[Batch], *, json: bool) -> int:
    trouble = finished.trouble
    problems = [BatchtuiError(trouble.message, trouble.hint)] if trouble else []
    if json:
        wrong = [error_json(one) for one in problems]
        out(dumps(Batches(batches=[batch_json(batch) for batch in batches], errors=wrong)))
    for batch in batches:
        if not json:
            out(batch.label)
        counts = batch.request_counts
        cost = f" for {money(batch.cost.actual_usd)}" if batch.cost.actual_usd is not None else ""
        share = f"{number(counts.total - batch.unanswered)} of {plural(counts.total, 'request')}"
        say(f"Answered {share}{cost}: {batch.results_path}")
    for one in problems:
        complain(one)
    if problems:
        return errors.FAILED
    whole = plan.outcomes(batches, ())
    return errors.SOME_FAILED if whole and whole.unanswered else errors.OK
