"""What of a batch did not succeed and may be asked again: chosen by cause, never by guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from batchtui.core import line
from batchtui.core.batch import Batch, Snapshot, State
from batchtui.core.errors import StateError
from batchtui.core.text import inert_line

TRANSIENT = frozenset(
    {"expired", "canceled", "overloaded_error", "api_error", "timeout_error", "rate_limit_error"},
)
"""Causes that lie with the API or with time: the same request may succeed. All others fail again as they are."""

_OVER = frozenset({State.RETRIEVED, State.REJECTED, State.GONE})
_BLOCK = 1 << 20


class Chosen(Struct, frozen=True):
    """The requests to ask again, by custom_id, and how many of each cause are asked again or left out."""

    ids: frozenset[str]
    causes: dict[str, int]
    left: dict[str, int]


def first_of(snapshot: Snapshot, batch: Batch) -> Batch:
    """The batch that a retry goes back to; itself where it is none, or where the first was forgotten."""
    known = {one.ref: one for one in snapshot.batches}
    seen = {batch.ref}
    while batch.retry_of in known and batch.retry_of not in seen:
        batch = known[batch.retry_of]
        seen.add(batch.ref)
    return batch


def shelves_of(snapshot: Snapshot, batch: Batch) -> list[Batch]:
    """The first batch and all its retries, in the order they were sent: what its results are merged from."""
    first = first_of(snapshot, batch)
    retries = [one for one in snapshot.batches if one.ref != first.ref and first_of(snapshot, one).ref == first.ref]
    return [first, *sorted(retries, key=lambda one: (one.submitted_at, one.ref))]


def not_over(shelves: Iterable[Batch]) -> Batch | None:
    """A batch whose results may still come: until then nobody knows what of it failed."""
    return next((batch for batch in shelves if batch.state not in _OVER), None)


def failures(results: Iterable[Path]) -> dict[str, str]:
    """The cause of each request without an answer, by custom_id, after all these files; only those are kept in memory.

    Raises:
        StateError: one of the files is not there or cannot be read.
    """
    failed: dict[str, str] = {}
    for path in results:
        for one in _lines(path):
            cause = cause_of(one)
            if cause is None:
                failed.pop(one.custom_id, None)
            else:
                failed[one.custom_id] = cause
    return failed


def cause_of(one: line.Line) -> str | None:
    """Why a request has no answer: "expired", "canceled", or the type of its error; None where it has one."""
    match one.result:
        case line.Succeeded():
            return None
        case line.Errored(envelope):
            return envelope.error.type or "unknown"
        case line.Canceled():
            return "canceled"
        case line.Expired():
            return "expired"


def _lines(path: Path) -> Iterator[line.Line]:
    try:
        with path.open("rb") as file:
            while block := b"".join(file.readlines(_BLOCK)):
                decoded = line.decode_block(block)
                yield from (
                    decoded
                    if decoded is not None
                    else map(line.decode, (raw for raw in block.splitlines() if not line.blank(raw)))
                )
    except (OSError, ValueError) as error:
        raise StateError(
            f"The results in {inert_line(str(path))} cannot be read: {inert_line(str(error), 120)}",
            "Retrieve the batch again.",
        ) from error


def choose(failed: Mapping[str, str], *, include_permanent: bool) -> Chosen:
    """What to ask again: what time may heal, and with `include_permanent` everything that failed."""
    return only(failed, frozenset(name for name, cause in failed.items() if include_permanent or cause in TRANSIENT))


def only(failed: Mapping[str, str], ids: frozenset[str]) -> Chosen:
    """These of what failed, and no others."""
    every = Counter(failed.values())
    causes = Counter(failed[name] for name in ids)
    return Chosen(ids, dict(causes.most_common()), dict((every - causes).most_common()))


class _Id(Struct, gc=False):
    custom_id: str


_id = msgspec.json.Decoder(_Id).decode


def copy_rows(source: Path, ids: Collection[str], sink: BinaryIO, later: Iterable[Path] = ()) -> int:
    """Copies the lines of these custom_ids in their order; how many there were.

    Each is as it stands in the last file of `later` that holds it, else as in `source`: a row may have been edited.

    Raises:
        StateError: a file is not there, or is not what was archived.
    """
    copied = 0
    newest: dict[str, tuple[BinaryIO, int, int]] = {}
    with ExitStack() as files:
        for path in later:
            with _readable(path):
                newer = files.enter_context(path.open("rb", buffering=_BLOCK))
                start = 0
                for row in newer:
                    if (name := _id(row).custom_id) in ids:
                        newest[name] = (newer, start, len(row))
                    start += len(row)
        with _readable(source), source.open("rb", buffering=_BLOCK) as file:
            for row in file:
                if (name := _id(row).custom_id) not in ids:
                    continue
                if name in newest:
                    newer, start, length = newest[name]
                    newer.seek(start)
                    sink.write(newer.read(length))
                else:
                    sink.write(row)
                copied += 1
    return copied


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise StateError(
            f"The archived requests in {inert_line(str(archive))} cannot be read: {inert_line(str(error), 120)}",
            "Put the file back from a copy; without it they cannot be asked again.",
        ) from error
