"""The batches that requests were sent in, the first one and its retries, as `batchtui show` lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from batchtui.core.batches.batch import Batch
from batchtui.core.text import inert_line, number, plural
from batchtui.tui.cli.report import batch_json

_SHOWN = ("id", "ref", "state", "requests", "request_counts", "outcomes", "submitted_at", "retrieved_at", "cost")


def attempts_json(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """Each attempt as scripts see it. `kinds` counts the requests of a retry by why they were sent again."""
    every = [(one, batch_json(one)) for one in batches]
    return [
        {**{name: told[name] for name in _SHOWN}, "retry_of": one.retry_of or None, "kinds": one.retried}
        for one, told in every
    ]


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
