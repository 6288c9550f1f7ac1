"""Proves that results are on this machine, whole and unchanged since they were verified: from the files as they are."""

from __future__ import annotations

import hashlib

from batchtui.core.batches.batch import Batch, State
from batchtui.core.errors import StateError
from batchtui.core.paths import Paths
from batchtui.core.results import summary as summaries
from batchtui.core.results.retrieve import where


def why_unproven(paths: Paths, batch: Batch) -> str | None:
    """Why the results of a batch are not proven to be here, as a sentence; None if they are. Run it in a thread.

    What the state says is not enough: the file may have been moved, cut or edited since. It must have the sha256 that
    its summary has from when it was verified, and the summary must be about this batch.
    """
    if batch.state is not State.RETRIEVED or batch.id is None:
        return "Its results are not on this machine."
    path = where(paths, batch)
    try:
        summary = summaries.read(paths.summary(batch.id))
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except StateError as error:
        return error.message
    except OSError as error:
        return f"Its results in {path} cannot be read: {error.strerror}."
    if (summary.batch_id, summary.counts) != (batch.id, batch.request_counts):
        return f"The summary beside {path} is about other results."
    if found != summary.sha256:
        return f"Its results in {path} were changed since they were verified."
    return f"Its results in {path} did not pass the check." if summary.anomalies else None
