"""What commands share: opening the desk and the log, and printing the outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import asdict

from batchtui.core import errors
from batchtui.core.batches.batch import Batch
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.errors import BatchtuiError
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.requests.touch import NotAgreed
from batchtui.core.text import inert_line, plural
from batchtui.tui.cli.report import batch_json, dumps, error_json, problem_json, problems, touch_json, written
from batchtui.tui.cli.terminal import BetaName, complain, out, say

if TYPE_CHECKING:
    from batchtui.core.desk.retry_proposal import Share

beta = click.option(
    "--beta",
    "betas",
    multiple=True,
    type=BetaName(),
    metavar="NAME",
    help="A beta of the API to send it with; repeatable.",
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")


@asynccontextmanager
async def desk_for(
    command: str, *, interval: float | None = None, logged: bool = True, betas: Sequence[str] = ()
) -> AsyncIterator[Desk]:
    """Opens a desk for one command and closes it afterwards. `logged` is false for commands that only read state.
    What it submits is sent with `betas`."""
    async with open_desk(command=command, interval=interval, betas=betas) as desk:
        if logged:
            desk.write_log()
        yield desk


def failed(
    error: BatchtuiError, *, json: bool, batch: str | None = None, batches: list[dict[str, object]] | None = None
) -> int:
    """Reports an error in text, and in JSON if asked for; the exit code. `batch` is the word the user typed."""
    wrong = [] if error.exit_code == errors.OK else [error_json(error, batch)]
    touches = {"touches": [touch_json(one) for one in error.touches]} if isinstance(error, NotAgreed) else {}
    if json:
        out(dumps({"batches": batches or [], **touches, "errors": wrong}))
    complain(error)
    return error.exit_code


def not_submittable(what: Path | str, error: NotSubmittable, *, json: bool) -> int:
    """Reports every problem of `what` was rejected, a file or a retry; the exit code."""
    if json:
        wrong = [problem_json(one) for one in error.checked.problems]
        out(dumps({"batches": [], "problems": error.checked.problem_count, "errors": wrong}))
    say(f"batchtui: {inert_line(str(what))} was not submitted: nothing was sent.")
    say(problems(error.checked))
    return error.exit_code


def outcome(batch: Batch) -> int:
    """The exit code for a retrieved batch."""
    return errors.SOME_FAILED if batch.unanswered else errors.OK


async def tell_outputs(desk: Desk, batches: Sequence[Batch], since: datetime) -> None:
    """Reports the outputs written since `since`, and where the rows are that failed or did not fit."""
    new = (one for batch in batches for one in batch.outputs if one.done_at and one.done_at >= since)
    for words, one in {written(one): one for one in new}.items():
        say(words)
        if left := await desk.failed_rows(one):
            say(f"    What failed or did not fit, and why: {inert_line(str(left))}")


def tell_sent(
    batches: Sequence[Batch],
    causes: Mapping[str, int],
    left: Mapping[str, int],
    wrong: Sequence[Mapping[str, object]] = (),
    kinds: Sequence[Share] = (),
    *,
    json: bool,
) -> None:
    """Reports what was resent, by cause, and what was left out. `wrong` are errors as JSON, `kinds` have the prices."""
    for batch in batches:
        say(f"Resent {plural(batch.requests, 'request')} of {inert_line(batch.name)} as {batch.label}.")
        say(f"  batchtui retrieve {batch.label}")
    if json:
        sent = {"batches": [batch_json(batch) for batch in batches]}
        by_kind = [asdict(one) for one in kinds]
        out(dumps({**sent, "retried": dict(causes), "left": dict(left), "kinds": by_kind, "errors": list(wrong)}))
    else:
        for batch in batches:
            out(batch.label)
