"""The calls the simulator received, one record each, so that a test can count them."""

from __future__ import annotations

from collections import Counter, deque

from msgspec import Struct

from batchtui.core.simulator.faults import Call

KEPT = 20_000
"""How many calls the log keeps; the totals count all of them."""

_SECRET = frozenset({"authorization", "x-api-key"})


class Received(Struct):
    """One call. `body_bytes` is how much of its body was read, and `complete` says whether that was all.

    `status` is None until there is an answer, and stays None if the connection was dropped before one. `accepted` is
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
    """Totals since the start or the last reset. `batches` counts those on the server now, in all workspaces."""

    calls: dict[str, int]
    batches: int
    workspaces: int
    requests: int


class CallLog:
    """The latest calls, and a count of each kind."""

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
