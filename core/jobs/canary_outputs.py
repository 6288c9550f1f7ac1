"""Whether the outputs of a job could use the answers of its canary. They are written with all others, so it is tried
beforehand: the rest is only sent if every answer of the canary is of use."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, Submission
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.errors import BatchtuiError
from batchtui.core.jobs.run_output import corrected, name_of
from batchtui.core.logs import log
from batchtui.core.paths import Paths, target_path
from batchtui.core.results.answers import Answers, files_of
from batchtui.core.results.unfit_for_outputs import keep_unfit
from batchtui.core.state.store_thread import StoreThread


async def try_outputs(disk: StoreThread, paths: Paths) -> None:
    """Counts the answers of clean canaries that an output could not use. What cannot be tried holds nothing up."""
    for submission, batch in plan.clean_canaries(await disk.snapshot()):
        if submission.outputs:
            outcomes = await asyncio.to_thread(_tried, submission, batch, paths)
            if outcomes.get(batch.ref, batch.outcomes) != batch.outcomes:
                log.warning("%s: answers of the canary %s do not fit", submission.ref, batch.label)
                await disk.commit(corrected(outcomes))


def _tried(submission: Submission, batch: Batch, paths: Paths) -> dict[str, Outcomes]:
    from batchtui.core.outputs.rehearsal import rehearse

    outcomes: dict[str, Outcomes] = {}
    try:
        with Answers.open(files_of(paths, [batch]), for_outputs=True) as answers:
            for output in submission.outputs:
                spec = replace(output, path=str(target_path(output.path)) if output.path else "")
                outcomes |= keep_unfit([batch], paths, answers, name_of(spec), rehearse(spec, answers))
    except BatchtuiError as error:
        log.warning("%s: an output could not be tried: %s", submission.ref, error.message)
    return outcomes
