"""`batchtui monitor`: repeats the cycle of `--once`, for a service or a terminal of its own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from datetime import datetime

import click

from batchtui.core import errors
from batchtui.core.batches.batch import Batch
from batchtui.core.batches.submissions import with_submission
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError, PollerStalled
from batchtui.tui.cli.command_desk import desk_for, tell_outputs
from batchtui.tui.cli.events import printing_events
from batchtui.tui.cli.report import line
from batchtui.tui.cli.terminal import PATIENCE, WAITING, Amount, complain, out, say, wait_for

EVERY = 300.0
"""Default seconds between polls."""

_STEP = 1.0


@click.command(short_help="Poll, retrieve and run what follows, until stopped.")
@click.option(
    "--interval",
    type=Amount(min=0.2),
    default=EVERY,
    show_default=True,
    metavar="S",
    help="Seconds between polls of the API.",
)
@click.option("--events", is_flag=True, help="Print one JSON object a line to stdout for each thing that happened.")
def monitor(*, interval: float, events: bool) -> int:
    """Repeat until stopped: poll, retrieve, run outputs, submit what is waiting.

    Polls every S seconds and prints a line for each batch that changed. If another batchtui is already polling, this
    one waits, and takes over when it ends. With --events, those lines go to stderr; what is printed goes on where the
    last monitor --events ended, also after a kill: then an event may come twice, with the same id.
    """
    return wait_for(_monitor(interval, events=events))


async def _monitor(interval: float, *, events: bool) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        stopped.set()
        loop.remove_signal_handler(signal.SIGINT)  # the next one aborts the work in progress
        loop.call_later(PATIENCE, say, WAITING)

    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    async with (
        desk_for("batchtui monitor", interval=interval) as desk,
        printing_events(desk, stopped, wanted=events),
    ):
        stopping = asyncio.create_task(_stop_telling(desk, stopped))
        say(f"Polling every {interval:g} s. Ctrl-C stops it; nothing is lost.")
        seen: dict[str, tuple[int, str]] = {}
        stalled: PollerStalled | None = None
        while not stopped.is_set():
            began, pause = desk.clock(), interval
            try:
                cycle = await desk.cycle()
                for failure in cycle.errors:
                    complain(failure.error)
                batches = with_submission(await desk.snapshot())
                _tell_changes(batches, seen, desk.clock(), say if events else out)
                await tell_outputs(desk, batches, began)
                if not cycle.blocked:  # a deadline may be nearer
                    pause = min(interval, desk.next_delay(cycle, await desk.snapshot()))
            except BatchtuiError as error:
                complain(error)
            stalled = await _rest(desk, pause, stopped, stalled)
        await stopping
    return errors.OK


async def _stop_telling(desk: Desk, stopped: asyncio.Event) -> None:
    """Lets no slow channel of `[notify]` hold up the end."""
    await stopped.wait()
    desk.stop_telling()


def _tell_changes(
    batches: Sequence[Batch], seen: dict[str, tuple[int, str]], now: datetime, tell: Callable[[str], None]
) -> None:
    for batch in reversed(batches):
        now_is = (batch.revision, batch.trouble.message if batch.trouble else "")
        if seen.get(batch.ref) != now_is:
            seen[batch.ref] = now_is
            tell(line(batch, now))


async def _rest(
    desk: Desk, seconds: float, stopped: asyncio.Event, stalled: PollerStalled | None
) -> PollerStalled | None:
    """Waits `seconds`, or until another process asks for a poll. Uses the wall clock, so that a machine that slept
    catches up. Says it once if another process polls but is stopped or hangs, and returns that; `stalled` is said."""
    until = desk.clock().timestamp() + seconds
    while desk.clock().timestamp() < until and not stopped.is_set():
        try:
            await asyncio.wait_for(stopped.wait(), _STEP)
        except TimeoutError:
            if await desk.poked():
                return stalled
            was, stalled = stalled, await desk.stalled()
            if stalled and not was:
                complain(stalled)
    return stalled
