"""What `batchtui check --json` prints, as records."""

from __future__ import annotations

from typing import Any

from batchtui.core.clock import Time
from batchtui.tui.cli.records import ErrorRecord, Printed, Record, TouchRecord


class FileRecord(Record, frozen=True, kw_only=True):
    """What a file holds."""

    requests: int
    bytes: int
    models: list[str]


class StepCost(Record, frozen=True, kw_only=True):
    """What a step costs; null if a price is not known, `max_usd` also if something has no bound."""

    step: str
    requests: int
    estimated_usd: float | None
    max_usd: float | None


class DeadlineCost(Record, frozen=True, kw_only=True):
    """The deadline, and what all costs if nothing has ended by then."""

    at: Time
    estimated_usd: float | None
    max_usd: float | None


class CostRecord(Record, frozen=True, kw_only=True):
    """What all steps cost in a batch, and by the standard API; null if a price is not known, `max_usd` also if
    something has no bound. `unpriced` are models, `unbounded` is what has no bound."""

    estimated_usd: float | None
    max_usd: float | None
    standard_usd: float | None
    input_tokens: int
    input_tokens_max: int
    output_tokens: int
    output_tokens_max: int
    unpriced: list[str]
    unbounded: list[str]
    how: str
    deadline: DeadlineCost | None
    steps: list[StepCost]


class SystemCacheRecord(Record, frozen=True, kw_only=True):
    """What becomes of the system prompt of a step that wants it cached."""

    step: str
    asked: str
    ttl: str | None
    why: str


class CacheRecord(Record, frozen=True, kw_only=True):
    """What a cache would do. `shared` are the parts of the prompt that all requests to `model` begin with, in the order
    of the cache; `more_tokens` begin the text after them. Each pair of amounts is for the highest and the lowest of
    `hit_rates`."""

    model: str | None
    requests: int | None
    shared: list[str]
    tokens: int
    more_tokens: int
    minimum_tokens: int | None
    long_enough: bool
    marked: bool
    uncached_usd: float | None
    usd_5m: list[float] | None
    usd_1h: list[float] | None
    hit_rates: list[float]
    worth: str | None
    system_cache: list[SystemCacheRecord]


class CheckedFile(Printed, frozen=True, kw_only=True):
    """What a file holds, what is wrong with it, and what it costs. `problems` counts also those that are not listed in
    `errors`; `first` is the first request of a job, `touches` what a job touches outside its folder."""

    file: FileRecord
    problems: int
    errors: list[ErrorRecord]
    notes: list[str]
    touches: list[TouchRecord]
    first: dict[str, Any] | None
    cost: CostRecord | None
    cache: CacheRecord | None
