"""The simulator's data: the batches of every workspace, in memory, and how they change."""

from __future__ import annotations

import hashlib
import secrets
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from batchtui.core.batches.remote import Counts
from batchtui.core.simulator.wanted import PLAIN, Wanted


class Ending(StrEnum):
    """How one request ends. To the API, REFUSED, CUT, PAUSED and UNFIT are successes: the model answered."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    CUT = "cut"
    PAUSED = "paused"
    UNFIT = "unfit"
    INVALID = "invalid"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


class SimulatorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the simulator behaves. Each batch keeps the settings in force when it was made.

    A batch lasts `duration` seconds if set, else (60 + 0.12 per request) / `speed`. `errored`, `expired`, `refused`,
    `cut`, `paused` and `unfit` are shares of requests (0 to 1), chosen by custom_id, so the same file fails the same
    way on every simulator. A request that is sent again after it failed succeeds if its cause allows it (`chances`),
    unless the share is 1. `answer_chars` is the usual length of an answer. `clock_offset` (seconds) shifts the
    simulator's whole clock, including its Date header.
    """

    speed: float = 1.0
    duration: float | None = None
    moving_counts: bool = False
    errored: float = 0.0
    expired: float = 0.0
    refused: float = 0.0
    cut: float = 0.0
    paused: float = 0.0
    unfit: float = 0.0
    answer_chars: int = 400
    clock_offset: float = 0.0


class Cached(NamedTuple):
    """So many tokens of a prompt can be read from the cache or are written to it, for an hour or for 5 minutes."""

    tokens: int
    an_hour: bool


NOT_CACHED = Cached(0, an_hour=False)


class SimulatedRequest(Struct, frozen=True, gc=False):
    """The parts of a request that an answer needs. `problem` says why it fails, and is empty if it does not; `error` is
    the type of that error.

    `draw` is 64 bits derived from the custom_id; all randomness for this request comes from it. `wanted` is the form
    that the answer should have. `continued` says that it sends a paused turn back. `cached` is what a mark caches.
    """

    custom_id: str
    model: str
    prompt: str
    input_tokens: int
    max_tokens: int
    problem: str
    draw: int
    error: str = "invalid_request_error"
    wanted: Wanted = PLAIN
    continued: bool = False
    cached: Cached = NOT_CACHED


def draw(custom_id: str) -> int:
    """64 evenly distributed bits that depend only on the custom_id."""
    return int.from_bytes(hashlib.blake2b(custom_id.encode(), digest_size=8).digest(), "big")


class Made(Struct, frozen=True):
    """`count` rows of a batch that nobody sent, generated again at each use."""

    count: int
    prefix: str

    def rows(self) -> tuple[SimulatedRequest, ...]:
        ids = (f"{self.prefix}{index}" for index in range(self.count))
        return tuple(
            SimulatedRequest(name, "claude-haiku-5-5", f"Question {name}", 40, 1024, "", draw(name)) for name in ids
        )


class Stored(Struct, kw_only=True):
    """A batch. `duration` is how long it takes if left alone, `settle` how long a cancel takes.

    `told` says how requests end, by custom_id, whatever the shares say. `spared` are the custom_ids of requests that
    were sent before, failed, and succeed this time.
    """

    id: str
    workspace: str
    created_at: datetime
    duration: timedelta
    settle: timedelta
    settings: SimulatorSettings
    content: tuple[SimulatedRequest, ...] | Made
    canceled_at: datetime | None = None
    archived_at: datetime | None = None
    told: Mapping[str, Ending] = MappingProxyType({})
    spared: frozenset[str] = frozenset()
    tallied: tuple[float, Counts] | None = None

    @property
    def size(self) -> int:
        return self.content.count if isinstance(self.content, Made) else len(self.content)

    def rows(self) -> tuple[SimulatedRequest, ...]:
        return self.content.rows() if isinstance(self.content, Made) else self.content


class ListedPage(Struct, frozen=True):
    """One page of the list, newest first."""

    batches: list[Stored]
    has_more: bool


def _age_order(batch: Stored) -> tuple[datetime, str]:
    return (batch.created_at, batch.id)


class World:
    """All batches, indexed by id and by workspace."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.results: dict[str, bytes] = {}
        """Results that a test has set: raw JSON by custom_id."""
        self.told: dict[str, Ending] = {}
        """How a test wants requests to end, by custom_id."""
        self.failing: dict[tuple[str, str], list[tuple[Stored, SimulatedRequest]]] = {}
        """By workspace and custom_id: the requests so far that are drawn to fail, and their batches."""
        self._by_id: dict[str, Stored] = {}
        self._by_age: dict[str, list[Stored]] = {}

    def add(
        self,
        workspace: str,
        content: tuple[SimulatedRequest, ...] | Made,
        created_at: datetime,
        *,
        duration: float | None = None,
    ) -> Stored:
        """Adds a new batch; `duration` (seconds) overrides the settings."""
        size = content.count if isinstance(content, Made) else len(content)
        seconds = duration if duration is not None else self.settings.duration
        if seconds is None:
            seconds = (60 + 0.12 * size) / self.settings.speed
        batch = Stored(
            id=f"msgbatch_01{secrets.token_hex(11)}",
            workspace=workspace,
            created_at=created_at,
            duration=timedelta(seconds=seconds),
            settle=timedelta(seconds=seconds / 10),
            settings=self.settings,
            content=content,
            told=dict(self.told),
        )
        self._by_id[batch.id] = batch
        insort(self._by_age.setdefault(workspace, []), batch, key=_age_order)
        return batch

    def get(self, batch_id: str, workspace: str | None = None) -> Stored | None:
        """The batch, unless it belongs to another workspace. `workspace` None searches all of them."""
        batch = self._by_id.get(batch_id)
        return batch if batch and workspace in (None, batch.workspace) else None

    def remove(self, batch: Stored) -> None:
        del self._by_id[batch.id]
        self._by_age[batch.workspace].remove(batch)

    def all(self) -> list[Stored]:
        """Every batch in every workspace, newest first."""
        return sorted(self._by_id.values(), key=_age_order, reverse=True)

    def page(
        self,
        workspace: str,
        limit: int,
        *,
        after: Stored | None = None,
        before: Stored | None = None,
        until: datetime | None = None,
    ) -> ListedPage:
        """`after`: older than that batch. `before`: the nearest newer ones. `until`: hides anything from then on."""
        oldest_first: Sequence[Stored] = self._by_age.get(workspace, [])
        if until:
            oldest_first = oldest_first[: bisect_left(oldest_first, (until, ""), key=_age_order)]
        if before:
            start = bisect_left(oldest_first, _age_order(before), key=_age_order) + 1
            chosen = oldest_first[start : start + limit]
            return ListedPage(list(reversed(chosen)), start + limit < len(oldest_first))
        end = bisect_left(oldest_first, _age_order(after), key=_age_order) if after else len(oldest_first)
        start = max(end - limit, 0)
        return ListedPage(list(reversed(oldest_first[start:end])), start > 0)
