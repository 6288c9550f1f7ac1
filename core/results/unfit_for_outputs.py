"""Counts answers that an output could not use, once it ran."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batchtui.core.batches.batch import Batch
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.errors import StateError
from batchtui.core.files import own_way_out
from batchtui.core.paths import Paths
from batchtui.core.results import unfit
from batchtui.core.results.answers import Answers
from batchtui.core.results.retrieve import where
from batchtui.core.results.summary import note_outcomes
from batchtui.core.results.unfit import Causes, Unfit
from batchtui.core.results.verify import verify_file


def keep_unfit(
    batches: Sequence[Batch], paths: Paths, answers: Answers, output: str, causes: Causes
) -> dict[str, Outcomes]:
    """Keeps what a run of an output could not use, beside the results that it is in. Returns the outcomes of the
    batches of which anything was ever found unfit, by ref. `answers` are those that the output was given.

    Call it in a thread. Raises StateError.
    """
    found: dict[str, Outcomes] = {}
    try:
        for batch in batches:
            if counted := _kept(batch, where(paths, batch), answers, output, causes):
                found[batch.ref] = counted
                note_outcomes(paths.summary(batch.label), counted)
    except OSError as error:
        raise StateError(
            f"Which answers do not fit could not be kept in {paths.results}: {error.strerror}.", own_way_out(error)
        ) from error
    return found


def _kept(batch: Batch, results: Path, answers: Answers, output: str, causes: Causes) -> Outcomes | None:
    before = unfit.read(results)
    mine = {custom_id: why for custom_id, why in causes.items() if answers.file_of(custom_id) == results}
    if before is None and not mine:
        return None
    known = before or Unfit(verified=batch.outcomes or verify_file(results, batch.request_counts, None).outcomes)
    elsewhere = {name for name in known.outputs.get(output, ()) if answers.file_of(name) != results}
    after = known.by_output(output, mine, elsewhere)
    if after != before:
        unfit.write(results, after)
    return after.outcomes
