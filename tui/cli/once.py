"""`batchtui --once`: one cycle without a screen, for cron, a service or a script."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.batches.batch import Snapshot, State
from batchtui.core.batches.deadline import carried_on, unanswered_at_once
from batchtui.core.batches.standing import found_unfit, standing
from batchtui.core.batches.submissions import with_submission
from batchtui.core.desk.cycle import Cycle
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError, Failure, OutcomeUnknown, said_before
from batchtui.core.state.poller import Poller
from batchtui.core.text import inert_line
from batchtui.tui.cli.command_desk import desk_for, tell_outputs, worst
from batchtui.tui.cli.records import Once
from batchtui.tui.cli.report import cycle_json, dumps, error_json, line
from batchtui.tui.cli.terminal import complain, out, say, wait_for

_POLLER_ANSWERS = timedelta(seconds=8)
"""How long another polling process has to poll when asked."""


def run_once(*, as_json: bool) -> int:
    """Runs one cycle and prints one line per batch; the exit code."""
    return wait_for(_once(json=as_json))


async def _once(*, json: bool) -> int:
    try:
        async with desk_for("batchtui --once") as desk:
            return await _one_cycle(desk, json=json)
    except BatchtuiError as error:
        if json:
            out(dumps(Once(errors=[error_json(error)])))
        complain(error)
        return error.exit_code


async def _one_cycle(desk: Desk, *, json: bool) -> int:
    began, before = desk.clock(), await desk.snapshot()
    cycle = await desk.cycle()
    cycle = replace(cycle, errors=(*cycle.errors, *await desk.answered()))
    if cycle.polled_by and cycle.due:
        cycle = await _ask_poller(desk, cycle)
    snapshot = await desk.snapshot()
    cycle = _with_standing(cycle, snapshot)
    batches = with_submission(snapshot)
    if json:
        out(dumps(cycle_json(_with_unknown(cycle, snapshot), batches)))
    else:
        for batch in batches:
            out(line(batch, desk.clock()))
    _tell(cycle, snapshot)
    await tell_outputs(desk, batches, began)
    return exit_code(cycle, snapshot, before)


async def _ask_poller(desk: Desk, cycle: Cycle) -> Cycle:
    """Asks the other process to poll now, waits briefly for it, and reports what it retrieved in that time, or that it
    is stopped."""
    stalled = None
    before = {batch.ref for batch in (await desk.snapshot()).batches if batch.state is State.RETRIEVED}
    asked_at = desk.clock()
    await desk.poke()
    while desk.clock() - asked_at < _POLLER_ANSWERS:
        poller = await desk.poller()
        looked = poller is not None and poller.looked_at and poller.looked_at > asked_at
        coming = [one for one in (await desk.snapshot()).batches if one.state is State.ENDED and not one.trouble]
        if poller is None or poller.failing or (looked and not (coming and desk.settings.auto_retrieve)):
            break
        if stalled := await desk.stalled(asked=True):
            break
        await asyncio.sleep(0.2)
    after = (await desk.snapshot()).batches
    new = [batch for batch in after if batch.state is State.RETRIEVED and batch.ref not in before]
    polls = await desk.poller() or cycle.polled_by
    if error := stalled or _failing(polls):
        cycle = replace(cycle, errors=(*cycle.errors, Failure(None, error)))
    return replace(cycle, retrieved=tuple(str(batch.id) for batch in new), polled_by=polls)


def _failing(poller: Poller | None) -> BatchtuiError | None:
    """Why the looks of the process that polls fail: then nobody looks at the batches, and this run is no success."""
    if poller is None or not poller.failing:
        return None
    said = f"{poller.words()} polls, but its last look failed: {poller.failing}"
    return said_before(poller.failing_code, said, "batchtui doctor says what is wrong, and what to do.")


def _with_standing(cycle: Cycle, snapshot: Snapshot) -> Cycle:
    """The cycle with what still waits for a person, which this run did not find itself, added to its errors."""
    said = {one.message for one in cycle.errors}
    return replace(cycle, errors=(*cycle.errors, *(one for one in standing(snapshot) if one.message not in said)))


def _with_unknown(cycle: Cycle, snapshot: Snapshot) -> Cycle:
    """The cycle with every unknown outcome added to its errors, since they cause exit code 6."""
    said = {one.batch for one in cycle.errors}
    unknown = (
        Failure(batch.ref, OutcomeUnknown(batch.trouble.message, batch.trouble.hint))
        for batch in snapshot.batches
        if batch.state is State.UNCONFIRMED and batch.trouble and batch.ref not in said
    )
    return replace(cycle, errors=(*cycle.errors, *unknown))


def _tell(cycle: Cycle, snapshot: Snapshot) -> None:
    if cycle.polled_by:
        say(f"Polled by {cycle.polled_by.words()}; this is the state it saved.")
    elif not snapshot.batches:
        say("No batches yet. Submit a file of requests: batchtui submit FILE")
    labels = {batch.ref: batch.label for batch in snapshot.batches}
    for one in cycle.errors:
        about = f"{labels.get(one.batch, one.batch)}: " if one.batch else ""
        complain(BatchtuiError(f"{about}{one.message}", one.hint))
    for batch in snapshot.batches:
        if batch.state is State.UNCONFIRMED and batch.trouble:
            say(f"batchtui: {batch.ref} is unconfirmed. {inert_line(batch.trouble.hint)}")


def exit_code(cycle: Cycle, snapshot: Snapshot, before: Snapshot) -> int:
    """The exit code for the worst thing that happened. Batches that are still in progress count as success; answers
    that were already known to be of no use `before` do not count."""
    codes = {one.error.exit_code for one in cycle.errors}
    if cycle.blocked:
        codes.add(cycle.blocked.exit_code)
    if any(batch.state is State.UNCONFIRMED for batch in snapshot.batches):
        codes.add(errors.NEEDS_PERSON)
    failed = {batch.id for batch in snapshot.batches if batch.unanswered and not carried_on(snapshot, batch)}
    if failed.intersection(cycle.retrieved) or found_unfit(before, snapshot) or unanswered_at_once(before, snapshot):
        codes.add(errors.SOME_FAILED)
    return worst(codes)
