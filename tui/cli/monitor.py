"""`batchtui monitor`: repeats the cycle of `--once`, for a service or a terminal of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import click

from batchtui.core import errors
from batchtui.core.batches.batch import Batch
from batchtui.core.batches.submissions import with_submission
from batchtui.core.clock import utc_now
from batchtui.core.desk.cycle import Cycle
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.desk.timepiece import Timepiece
from batchtui.core.desk.watch import Asked, Watch
from batchtui.core.errors import BatchtuiError
from batchtui.core.logs import log
from batchtui.core.service.notify_socket import NotifySocket
from batchtui.core.state.poller import Poller
from batchtui.core.text import inert_line
from batchtui.tui.cli.command_desk import tell_outputs
from batchtui.tui.cli.events import printing_events
from batchtui.tui.cli.report import line
from batchtui.tui.cli.terminal import INTERVAL, PATIENCE, WAITING, complain, out, say, wait_for


@click.command(short_help="Poll, retrieve and run what follows, until stopped.")
@click.option(
    "--interval",
    type=INTERVAL,
    metavar="S",
    help="Seconds between polls of the API. Without it, as often as a poll is worth it: soon after a submit and around "
    "the time that such batches usually took; every 5 to 10 minutes where nothing is known, 15 while it is early.",
)
@click.option("--events", is_flag=True, help="Print one JSON object a line to stdout for each thing that happened.")
def monitor(*, interval: float | None, events: bool) -> int:
    """Repeat until stopped: poll, retrieve, run outputs, submit what is waiting.

    Prints a line for each batch that changed. If another batchtui is already polling, this one waits, and takes over
    when it ends. SIGTERM and Ctrl-C end it at a safe point; SIGHUP reads config.toml again and looks for the key again.
    With --events, those lines go to stderr; what is printed goes on where the last monitor --events ended, also after a
    kill: then an event may come twice, with the same id.
    """
    return wait_for(_monitor(interval, events=events))


async def _monitor(interval: float | None, *, events: bool) -> int:
    asked, notify, shown = Asked(), NotifySocket(os.environ), _Shown(say if events else out)
    _listen(asked)
    desk = _open(interval)
    every = "when it is worth it" if interval is None else f"every {interval:g} s"
    say(f"Polling {every}. Ctrl-C stops it; nothing is lost.")
    begins = f"monitor begins, polling {every}"
    while True:
        async with desk, printing_events(desk, asked.stop, wanted=events):
            desk.write_log()
            log.info("%s", begins)
            watch = Watch(
                desk,
                asked,
                notify,
                timepiece=Timepiece(),
                told=shown.tell,
                complain=complain,
            )
            following = None
            while following is None:
                await watch.run()
                if asked.stopped.is_set():
                    notify.stopping("Ends, as asked")
                    log.info("monitor ends, as asked")
                    return errors.OK
                following = await _read_again(desk, asked, notify, interval)
        desk, begins = following, "config.toml was read again"


def _open(interval: float | None) -> Desk:
    return open_desk(command="batchtui monitor", interval=interval)


def _listen(asked: Asked) -> None:
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        asked.stop()
        loop.remove_signal_handler(signal.SIGINT)  # the next one aborts the work in progress
        loop.call_later(PATIENCE, say, WAITING)

    loop.add_signal_handler(signal.SIGTERM, asked.stop)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    loop.add_signal_handler(signal.SIGHUP, asked.read_again)


async def _read_again(desk: Desk, asked: Asked, notify: NotifySocket, interval: float | None) -> Desk | None:
    """A desk with the settings as they are now. None if they cannot be used: the old ones stay, but not an old key."""
    asked.woken.clear()
    notify.reloading()
    try:
        return _open(interval)
    except BatchtuiError as error:
        log.error("The old settings stay. %s %s", inert_line(error.message, 1000), inert_line(error.hint, 1000))
        complain(error)
        await desk.upkeep.renew_key()
        notify.ready("Polls with its old settings: config.toml cannot be used")
        return None


class _Shown:
    """What was printed, so that only changes are."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._seen: dict[str, tuple[tuple[int, str], str]] = {}
        self._poller = ""
        self._began = self._since = utc_now()

    async def tell(self, desk: Desk, cycle: Cycle) -> None:
        """Prints a line for each batch that changed, and the outputs that were written; says it if another polls."""
        self._say_who(cycle.polled_by)
        try:
            batches = with_submission(await desk.snapshot())
        except BatchtuiError:
            return  # the next round says it
        before = self._seen
        self._seen = {one.ref: self._sign(one) for one in batches}
        for batch in reversed(batches):
            if batch.ref not in before or before[batch.ref][1] != self._seen[batch.ref][1]:
                self._show(line(batch, desk.clock()))
        since, self._since = self._since, desk.clock()
        await tell_outputs(desk, batches, since)

    def _say_who(self, poller: Poller | None) -> None:
        words = poller.words() if poller else ""
        if words != self._poller:
            said = f"{words} polls. This one waits to take over." if words else "This one polls from now on."
            say(said)
            log.info("%s", said)
        self._poller = words

    def _sign(self, batch: Batch) -> tuple[tuple[int, str], str]:
        """What was saved of it, and its line at a time that stays the same: what fails again, or grows old, is no
        change."""
        saved = (batch.revision, batch.trouble.message if batch.trouble else "")
        known = self._seen.get(batch.ref)
        return known if known and known[0] == saved else (saved, line(batch, self._began))
