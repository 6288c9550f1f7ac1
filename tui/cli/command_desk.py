"""What commands share: opening the desk and the log, and printing the outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import UNSET

from batchtui.core import errors
from batchtui.core.batches import find
from batchtui.core.batches.batch import Batch, Snapshot
from batchtui.core.batches.find import Meant
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.errors import BatchtuiError, UsageError
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.requests.touch import NotAgreed
from batchtui.core.text import inert, inert_line, plural
from batchtui.tui.cli.problem_report import problem_json, problems
from batchtui.tui.cli.records import Batches, BatchRecord, ErrorRecord, KindRecord, Retried
from batchtui.tui.cli.report import batch_json, dumps, error_json, touch_json, written
from batchtui.tui.cli.terminal import BetaName, complain, out, say

if TYPE_CHECKING:
    from batchtui.core.desk.retry_shares import Share

beta = click.option(
    "--beta",
    "betas",
    multiple=True,
    type=BetaName(),
    metavar="NAME",
    help="A beta of the API to send it with; repeatable.",
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")

every_option = click.option("--every", is_flag=True, help="Of a name used more than once: all, not just the newest.")

EVERY = "--every means all of them."
LISTED = "batchtui list shows all of them."
"""How to mean all submissions of a name, for commands that have `--every`, and for those that take one."""


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


def failed(error: BatchtuiError, *, json: bool, batch: str | None = None, batches: Sequence[BatchRecord] = ()) -> int:
    """Reports an error in text, and in JSON if asked for; the exit code. `batch` is the word the user typed."""
    wrong = [] if error.exit_code == errors.OK else [error_json(error, batch)]
    touches = [touch_json(one) for one in error.touches] if isinstance(error, NotAgreed) else UNSET
    if json:
        out(dumps(Batches(batches=list(batches), touches=touches, errors=wrong)))
    complain(error)
    return error.exit_code


def not_submittable(what: Path | str, error: NotSubmittable, *, json: bool) -> int:
    """Reports every problem of `what` was rejected, a file or a retry; the exit code."""
    if json:
        wrong = [problem_json(one) for one in error.checked.problems]
        out(dumps(Batches(problems=error.checked.problem_count, errors=wrong)))
    say(f"batchtui: {inert_line(str(what))} was not submitted: nothing was sent.")
    say(problems(error.checked))
    return error.exit_code


def understood(snapshot: Snapshot, word: str, *, every: bool = False, more: str = EVERY) -> Meant:
    """What a word means. Says so if it is the name of several submissions and the newest is meant. Raises as `meant`.

    `more` says how to mean the others.
    """
    found = find.meant(snapshot, word, every=every)
    if said := find.newest_said(snapshot, found, more=more):
        say(said)
    return found


async def meant(desk: Desk, word: str, *, every: bool = False, more: str = EVERY) -> Meant:
    """The same. An id that this state never saw is followed from now on. Raises as `adopt`."""
    try:
        return understood(await desk.snapshot(), word, every=every, more=more)
    except UsageError:
        if not find.is_id(word):
            raise
    batch = await desk.adopt(word)
    if batch.doubtful:
        say(f"{batch.label} is probably {inert(batch.name)}, whose answer was lost: the ids of its results will tell.")
    else:
        say(f"{batch.label} was not sent from here; it is now followed as {batch.name}.")
    return Meant(word, (batch.ref,))


def worst(codes: Collection[int]) -> int:
    """The exit code for the worst of several."""
    return next((code for code in _WORST_FIRST if code in codes), errors.OK)


_WORST_FIRST = (errors.NO_KEY, errors.UNREACHABLE, errors.NEEDS_PERSON, errors.FAILED, errors.SOME_FAILED)


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
    wrong: Sequence[ErrorRecord] = (),
    kinds: Sequence[Share] = (),
    *,
    json: bool,
) -> None:
    """Reports what was resent, by cause, and what was left out. `wrong` are errors as JSON, `kinds` have the prices."""
    for batch in batches:
        say(f"Resent {plural(batch.requests, 'request')} of {inert_line(batch.name)} as {batch.label}.")
        say(f"  batchtui retrieve {batch.label}")
    if json:
        out(
            dumps(
                Retried(
                    batches=[batch_json(batch) for batch in batches],
                    retried=dict(causes),
                    left=dict(left),
                    kinds=[_kind(one) for one in kinds],
                    errors=list(wrong),
                )
            )
        )
    else:
        for batch in batches:
            out(batch.label)


def _kind(share: Share) -> KindRecord:
    return KindRecord(
        kind=share.kind,
        requests=share.requests,
        causes=share.causes,
        taken=share.taken,
        estimated_usd=share.estimated_usd,
        max_usd=share.max_usd,
    )
