"""`batchtui submit --wait`: waits until a whole submission is done, or cannot continue on its own."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, Snapshot, State
from batchtui.core.batches.deadline import carried_on
from batchtui.core.batches.standing import standing
from batchtui.core.batches.submissions import with_submission
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError, Stopped
from batchtui.tui.cli.command_desk import failed, outcome, tell_outputs
from batchtui.tui.cli.report import batch_json, dumps, error_json, failures_json
from batchtui.tui.cli.terminal import complain, out, progress, say


async def stay(desk: Desk, ref: str, *, json: bool) -> int:
    """Waits until every part and step is retrieved and its outputs are written, or until nothing more can be done."""
    began = desk.clock()
    try:
        await desk.wait(ref, progress("Retrieving"))
    except BatchtuiError as error:
        _, batches = await _known(desk, ref)
        return failed(error, json=json, batches=[batch_json(one) for one in batches])
    except asyncio.CancelledError:
        if json:
            _, batches = await _known(desk, ref)
            stopped = Stopped("Interrupted while waiting.", "What was sent goes on: batchtui --once retrieves it.")
            out(dumps({"batches": [batch_json(one) for one in batches], "errors": [error_json(stopped)]}))
        raise
    snapshot, batches = await _known(desk, ref)
    failures = list(standing(snapshot, {ref}))
    if json:
        wrong = failures_json(failures, batches)
        out(dumps({"batches": [batch_json(one) for one in batches], "errors": wrong}))
    else:
        for one in batches:
            out(one.label)
    codes = {_said(one, snapshot) for one in batches}
    await tell_outputs(desk, batches, began)
    for failure in failures:
        complain(failure.error)
        codes.add(failure.error.exit_code)
    return next((code for code in _WORST_FIRST if code in codes), errors.OK)


async def _known(desk: Desk, ref: str) -> tuple[Snapshot, list[Batch]]:
    """The state, and the batches of a submission, which carry the submission's outputs and trouble."""
    snapshot = await desk.snapshot()
    submission = snapshot.submissions.get(ref)
    batches = with_submission(snapshot)
    return snapshot, plan.members(replace(snapshot, batches=batches), submission) if submission else []


def _said(batch: Batch, snapshot: Snapshot) -> int:
    """Reports the outcome of a batch; the exit code."""
    if batch.state is not State.RETRIEVED:
        say(f"batchtui: {batch.trouble.message if batch.trouble else batch.state}")
        return errors.NEEDS_PERSON if batch.state is State.UNCONFIRMED else errors.FAILED
    say(f"{batch.share}: {batch.results_path}")
    if batch.id and carried_on(snapshot, batch):
        say("What has no answer was sent at once.")
        return errors.OK
    return outcome(batch)


_WORST_FIRST = (errors.NEEDS_PERSON, errors.FAILED, errors.SOME_FAILED)
