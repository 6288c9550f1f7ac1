"""The batches that requests were sent in, the first one and its retries, as `batchtui show` lists them."""

from __future__ import annotations

from collections.abc import Sequence

from batchtui.core.batches.batch import Batch
from batchtui.core.text import inert_line, number, plural
from batchtui.tui.cli.records import AttemptRecord
from batchtui.tui.cli.report import batch_json


def attempts_json(batches: Sequence[Batch]) -> list[AttemptRecord]:
    """Each attempt as scripts see it."""
    return [_attempt(one) for one in batches]


def _attempt(batch: Batch) -> AttemptRecord:
    told = batch_json(batch)
    return AttemptRecord(
        id=told.id,
        ref=told.ref,
        state=told.state,
        requests=told.requests,
        request_counts=told.request_counts,
        outcomes=told.outcomes,
        submitted_at=told.submitted_at,
        retrieved_at=told.retrieved_at,
        cost=told.cost,
        retry_of=batch.retry_of or None,
        kinds=batch.retried,
    )


def attempts_text(batches: Sequence[Batch]) -> str:
    """A line for each attempt."""
    return "\n".join(f"{'attempt':<10}  {_line(one)}" for one in batches)


def _line(batch: Batch) -> str:
    """`msgbatch_2, retry of 3 cut: retrieved, 2 answered, 1 cut off`."""
    taken = ", ".join(f"{number(count)} {inert_line(kind, 20)}" for kind, count in batch.retried.items())
    what = f"retry of {taken}" if taken else plural(batch.requests, "request")
    outcomes = batch.outcomes
    became = [f"{number(outcomes.answered)} answered", outcomes.words()] if outcomes else []
    return f"{batch.label}, {what}: {', '.join(filter(None, (batch.state.words, *became)))}"
