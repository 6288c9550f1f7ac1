"""An event as JSON: a line of `monitor --events`, and what a notice carries."""

from __future__ import annotations

from typing import Literal

from batchtui.core.batches.batch import State
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.remote import Counts
from batchtui.core.clock import Time
from batchtui.tui.cli.records import Printed, Record

EventName = Literal[
    "submitted",
    "unconfirmed",
    "ended",
    "retrieved",
    "output",
    "step",
    "trouble",
    "late",
    "expiring",
    "over_budget",
    "deleted",
]


class PlaceRecord(Record, frozen=True, kw_only=True):
    """Where an output wrote, and how many rows."""

    kind: str
    path: str
    rows: int | None


class StepRecord(Record, frozen=True, kw_only=True):
    """A step of a job that was begun. `number` counts from 1; `name` is empty if it is not known."""

    number: int
    name: str


class Event(Printed, frozen=True, kw_only=True):
    """One thing that happened. `id` is the same if it is told twice. Null means that it does not apply.

    `batch` is the word that the commands take for it. `code`, `message` and `hint` say what is wrong. `age_seconds` of
    a late batch is more than 95 % of such batches took, which is `slow_seconds`. `gone_at` is when the API deletes the
    results.
    """

    id: str
    at: Time
    event: EventName
    batch: str | None
    ref: str | None
    submission: str | None
    name: str
    state: State | None
    requests: int | None
    request_counts: Counts | None
    outcomes: Outcomes | None
    results_path: str | None
    output: PlaceRecord | None
    step: StepRecord | None
    code: str | None
    message: str | None
    hint: str | None
    age_seconds: float | None
    slow_seconds: float | None
    gone_at: Time | None
    max_usd: float | None
