"""Chooses which failed requests of a batch may be sent again: by cause, never by guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from batchtui.core.api import result_line
from batchtui.core.batches.outcomes import Outcome
from batchtui.core.batches.retries import Kind
from batchtui.core.errors import StateError
from batchtui.core.results.unfit import causes_of
from batchtui.core.text import inert_line

TRANSIENT = frozenset(
    {"expired", "canceled", "overloaded_error", "api_error", "timeout_error", "rate_limit_error"},
)
"""Causes that lie with the API or with time, so the same request may succeed. All others fail again unchanged."""

_KINDS = {kind.value: kind for kind in Kind if kind not in (Kind.TRANSIENT, Kind.PERMANENT)}
_BLOCK = 1 << 20


class RetryChoice(Struct, frozen=True):
    """The custom_ids of the requests to send again, and how many of each cause are sent again or left out."""

    ids: frozenset[str]
    causes: dict[str, int]
    left: dict[str, int]


def failures(results: Iterable[Path]) -> dict[str, str]:
    """Why each request without an answer failed, by custom_id, after all these files. Only those are kept in memory.

    Raises:
        StateError: one of the files is missing or cannot be read.
    """
    failed: dict[str, str] = {}
    for path in results:
        unfit = causes_of(path)
        for one in _lines(path):
            cause = cause_of(one) or (Outcome.UNFIT.value if one.custom_id in unfit else None)
            if cause is None:
                failed.pop(one.custom_id, None)
            else:
                failed[one.custom_id] = cause
    return failed


def cause_of(one: result_line.Line) -> str | None:
    """Why a request has no usable answer: its outcome or, if it errored, the type of its error; None if it has one."""
    match one.result:
        case result_line.Succeeded(message):
            outcome = message.outcome
            return None if outcome is Outcome.ANSWERED else outcome.value
        case result_line.Errored(envelope):
            return envelope.error.type or "unknown"
        case result_line.Canceled():
            return "canceled"
        case result_line.Expired():
            return "expired"


def _lines(path: Path) -> Iterator[result_line.Line]:
    try:
        with path.open("rb") as file:
            while block := b"".join(file.readlines(_BLOCK)):
                decoded = result_line.decode_block(block)
                yield from (
                    decoded
                    if decoded is not None
                    else map(result_line.decode, (raw for raw in block.splitlines() if not result_line.blank(raw)))
                )
    except (OSError, ValueError) as error:
        raise StateError(
            f"The results in {inert_line(str(path))} cannot be read: {inert_line(str(error), 120)}",
            "Retrieve the batch again.",
        ) from error


def kind_of(cause: str) -> Kind:
    """The kind of a cause, as `cause_of` gives it."""
    return _KINDS.get(cause, Kind.TRANSIENT if cause in TRANSIENT else Kind.PERMANENT)


def kinds_of(causes: Mapping[str, int]) -> dict[Kind, int]:
    """How many requests of each kind these causes are, in the order of `Kind`."""
    found = Counter[Kind]()
    for cause, count in causes.items():
        found[kind_of(cause)] += count
    return {kind: found[kind] for kind in Kind if found[kind]}


def choose(failed: Mapping[str, str], kinds: Collection[Kind]) -> RetryChoice:
    """What to send again: the failed requests of these kinds."""
    return only(failed, frozenset(name for name, cause in failed.items() if kind_of(cause) in kinds))


def only(failed: Mapping[str, str], ids: frozenset[str]) -> RetryChoice:
    """Chooses exactly these of the failed requests."""
    every = Counter(failed.values())
    causes = Counter(failed[name] for name in ids)
    return RetryChoice(ids, dict(causes.most_common()), dict((every - causes).most_common()))
