"""`batchtui --once`: one cycle without a screen, for cron, a service, a script."""

from __future__ import annotations

from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.batch import Snapshot, State
from batchtui.core.cycle import Cycle
from batchtui.core.desk import Desk
from batchtui.core.errors import BatchtuiError
from batchtui.core.report import cycle_json, dumps, error_json, line
from batchtui.core.text import inert_line
from batchtui.tui.cli import complain, out, say, wait_for
from batchtui.tui.cli_desk import desk_for


def run_once(*, as_json: bool) -> int:
    """Runs one cycle and prints a line a batch; the exit code."""
    return wait_for(_once(json=as_json))


async def _once(*, json: bool) -> int:
    async with desk_for("batchtui --once") as desk:
        try:
            cycle = await desk.cycle()
            if cycle.polled_by and cycle.due:
                cycle = await _ask_poller(desk, cycle)
            snapshot = await desk.snapshot()
        except BatchtuiError as error:
            if json:
                blank = cycle_json(Cycle(), ())
                out(dumps({**blank, "errors": [error_json(error)]}))
            complain(error)
            return error.exit_code
        if json:
            out(dumps(cycle_json(cycle, snapshot.batches)))
        else:
            for batch in snapshot.batches:
                out(line(batch, desk.clock()))
        _tell(cycle, snapshot)
        return exit_code(cycle, snapshot)


async def _ask_poller(desk: Desk, cycle: Cycle) -> Cycle:
    """Has the other process look now, and reports what it retrieved meanwhile."""
    before = {batch.ref for batch in (await desk.snapshot()).batches if batch.state is State.RETRIEVED}
    after = await desk.wait_for_poller()
    new = [batch for batch in after.batches if batch.state is State.RETRIEVED and batch.ref not in before]
    return replace(cycle, retrieved=tuple(str(batch.id) for batch in new))


def _tell(cycle: Cycle, snapshot: Snapshot) -> None:
    if cycle.polled_by:
        say(f"Polled by {cycle.polled_by.words()}; this is the state that it saved.")
    elif not snapshot.batches:
        say("No batches yet. Submit a file of requests: batchtui submit FILE")
    labels = {batch.ref: batch.label for batch in snapshot.batches}
    for one in cycle.errors:
        about = f"{labels.get(one.batch, one.batch)}: " if one.batch else ""
        complain(BatchtuiError(f"{about}{one.message}", one.hint))
    for batch in snapshot.batches:
        if batch.state is State.UNCONFIRMED and batch.trouble:
            say(f"batchtui: {batch.ref} needs a person. {inert_line(batch.trouble.hint)}")


def exit_code(cycle: Cycle, snapshot: Snapshot) -> int:
    """The worst that happened. Batches that are simply under way are fine."""
    if cycle.blocked:
        return cycle.blocked.exit_code
    if any(batch.state is State.UNCONFIRMED for batch in snapshot.batches):
        return errors.NEEDS_PERSON
    if cycle.errors:
        return errors.FAILED
    failed = {batch.id for batch in snapshot.batches if batch.request_counts.failed}
    return errors.SOME_FAILED if failed.intersection(cycle.retrieved) else errors.OK
