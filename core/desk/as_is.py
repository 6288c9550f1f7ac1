"""Writes the results of a batch as the API gives them, without verifying them."""

from __future__ import annotations

from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.observe import check_counts, observe
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.errors import NotAllowed
from batchtui.core.outputs.export import refuse_ours
from batchtui.core.paths import target_path
from batchtui.core.results import retrieve
from batchtui.core.sending.context import Context


async def as_is(batch: Batch, to: str, context: Context, report: Report | None) -> tuple[Batch, list[str]]:
    """Writes the results to a new file at `to`. Returns the batch as the API has it now, and what is wrong with them.

    Raises:
        NotAllowed: there are no results.
        BadInput: `to` cannot be written.
        ApiError: the batch or its results are not available.
    """
    target = refuse_ours(target_path(to), context.paths)
    if batch.remote_deleted_at:
        raise NotAllowed("The API's copy is deleted.", f"batchtui show {batch.label} says where its results are.")
    api = await context.connection.api()
    if batch.id and batch.state is not State.RETRIEVED:
        seen = await api.get(batch.id)
        check_counts(batch, seen)
        batch = observe(batch, seen)
    if batch.id is None or why_not(Verb.RETRIEVE, batch):
        raise NotAllowed(why_not(Verb.RETRIEVE, batch) or "It has no id.", f"batchtui show {batch.label}")
    return batch, await retrieve.as_is(api, context.paths, batch, target, report)
