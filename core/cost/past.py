"""How long answers usually are, according to the user's past batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from msgspec import Struct

from batchtui.core.batches.batch import Snapshot, State
from batchtui.core.batches.price import Usage
from batchtui.core.errors import StateError
from batchtui.core.paths import Paths
from batchtui.core.results.summary import Summary, read

RECENT = 50
"""How many past batches, the newest ones, are used to tell how long answers are."""


class Usual(Struct, frozen=True):
    """What past requests to a model used: answer tokens per request, and the share of cached tokens that was read; None
    if none were cached."""

    output: float
    read: float | None
    batches: int


def usual(summaries: Iterable[Summary], name: str) -> dict[str, Usual]:
    """What past batches say about each model. If some of its batches were called `name`, only those count for it."""
    same: dict[str, list[Usage]] = {}
    other: dict[str, list[Usage]] = {}
    for summary in summaries:
        for part in summary.usage:
            (same if summary.name == name else other).setdefault(part.model, []).append(part)
    return {model: _usual(parts) for model, parts in (other | same).items() if any(part.requests for part in parts)}


def _usual(parts: Sequence[Usage]) -> Usual:
    requests = sum(part.requests for part in parts)
    read = sum(part.tokens.cache_read for part in parts)
    written = sum(part.tokens.cache_creation_5m + part.tokens.cache_creation_1h for part in parts)
    output = sum(part.tokens.output for part in parts) / requests
    return Usual(output, read / (read + written) if read + written else None, len(parts))


def past_of(snapshot: Snapshot, paths: Paths, name: str) -> dict[str, Usual]:
    """What the newest retrieved batches say; those with the same name take precedence. Call it in a thread."""
    return usual(_recent(snapshot, paths), name)


def _recent(snapshot: Snapshot, paths: Paths) -> Iterator[Summary]:
    labels = (batch.label for batch in snapshot.batches if batch.state is State.RETRIEVED)
    for label in islice(labels, RECENT):
        with suppress(StateError):
            yield read(paths.summary(label))
