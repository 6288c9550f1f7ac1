"""`batchtui submit --wait`: stays until all of a submission is done, or can go no further by itself."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.batches import plan
from batchtui.core.batches.batch import UNDER_WAY, Batch, Snapshot, State, Submission
from batchtui.core.batches.submissions import with_submission
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert_line, plural
from batchtui.tui.cli.command_desk import failed, outcome, tell_outputs
from batchtui.tui.cli.report import batch_json, dumps
from batchtui.tui.cli.terminal import out, progress, say


async def stay(desk: Desk, ref: str, *, json: bool) -> int:
    """Cycles until every part and step is retrieved and its outputs are written, or nothing more can be done."""
    began = desk.clock()
    while True:
        cycle = await desk.cycle()
        snapshot = await desk.snapshot()
        submission = snapshot.submissions.get(ref)
        batches = plan.members(snapshot, submission) if submission else []
        if submission is None or not batches:
            gone = BatchtuiError("The batch was forgotten meanwhile.", "batchtui list shows the rest.")
            return failed(gone, json=json)
        if cycle.blocked and cycle.blocked.exit_code == errors.NO_KEY:
            return failed(cycle.blocked, json=json, batches=[batch_json(one) for one in batches])
        if not desk.settings.auto_retrieve and (ended := [one for one in batches if one.state is State.ENDED]):
            try:
                for one in ended:
                    await desk.retrieve(one.ref, progress("Retrieving"))
            except BatchtuiError as error:
                return failed(error, json=json, batches=[batch_json(one) for one in batches])
            continue
        if not _goes_on(snapshot, submission, batches):
            break
        await asyncio.sleep(2.0 if cycle.polled_by else desk.next_delay(cycle, snapshot))
    batches = plan.members(replace(snapshot, batches=with_submission(snapshot)), submission)
    if json:
        out(dumps({"batches": [batch_json(one) for one in batches], "errors": []}))
    else:
        for one in batches:
            out(one.label)
    codes = {_said(one) for one in batches}
    await tell_outputs(batches, began)
    if submission.trouble:
        say(f"batchtui: {inert_line(submission.trouble.message)}")
        say(f"  {inert_line(submission.trouble.hint)}")
        codes.add(errors.FAILED)
    return next((code for code in _WORST_FIRST if code in codes), errors.OK)


def _goes_on(snapshot: Snapshot, submission: Submission, batches: list[Batch]) -> bool:
    """Whether anything of it is under way, or follows by itself. A step that is held back has its trouble written."""
    if any(one.state in UNDER_WAY | {State.ENDED, State.SUBMITTING} for one in batches):
        return True
    alone = Snapshot(snapshot.revision, tuple(batches), {submission.ref: submission})
    held = submission.trouble and not (submission.waiting or any(plan.outputs_due(alone)))
    return not held and plan.can_go_on(alone)


def _said(batch: Batch) -> int:
    """Says what became of a batch; the exit code."""
    if batch.state is not State.RETRIEVED:
        say(f"batchtui: {batch.trouble.message if batch.trouble else batch.state}")
        return errors.NEEDS_PERSON if batch.state is State.UNCONFIRMED else errors.FAILED
    counts = batch.request_counts
    say(f"Retrieved {counts.succeeded:,} of {plural(counts.total, 'request')}: {batch.results_path}")
    return outcome(batch)


_WORST_FIRST = (errors.NEEDS_PERSON, errors.FAILED, errors.SOME_FAILED)
