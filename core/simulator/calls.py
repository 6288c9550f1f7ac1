"""What the simulator was asked: one record a call, so that a test can count them."""

from __future__ import annotations

from collections import Counter, deque

from msgspec import Struct

from batchtui.core.simulator.faults import Call

KEPT = 20_000
"""The log keeps this many calls; the totals count all."""

_SECRET = frozenset({"authorization", "x-api-key"})


class Received(Struct):
    """One call. `body_bytes` is what was read of its body, `complete` whether that was all of it.

    `status` is None while there is no answer, and stays so where the connection was dropped before any. `accepted` is
    the id of the batch that a create made. `retry_count` is the SDK's x-stainless-retry-count. Keys in `headers` are
    cut to their last four characters.
    """

    number: int
    at: str
    call: Call
    method: str
    path: str
    query: str
    headers: dict[str, str]
    batch_id: str | None = None
    body_bytes: int = 0
    complete: bool = False
    status: int | None = None
    accepted: str | None = None
    retry_count: int | None = None
    fault: str | None = None


class Stats(Struct, frozen=True):
    """Totals since the start or the last reset. `batches` are those on the server now, of every workspace."""

    calls: dict[str, int]
    batches: int
    workspaces: int
    requests: int


class CallLog:
    """The latest calls, and how many there were of each kind."""

    def __init__(self) -> None:
        self.received: deque[Received] = deque(maxlen=KEPT)
        self.totals: Counter[str] = Counter()

    def note(self, received: Received) -> None:
        self.received.append(received)
        self.totals[received.call] += 1

    def clear(self) -> None:
        self.received.clear()
        self.totals.clear()


def without_keys(headers: list[tuple[str, str]]) -> dict[str, str]:
    """The headers with each key cut to its last four characters."""
    return {name: f"…{value[-4:]}" if name in _SECRET else value for name, value in headers}
