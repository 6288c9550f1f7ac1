"""The record of an event, and its JSON: what `monitor --events` prints and notices carry."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from batchtui.core.batches.batch import State
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.remote import Counts
from batchtui.core.event_names import EventName

SCHEMA = 1
"""The `schema` of the JSON."""


class Step(Struct, frozen=True, gc=False):
    """A step of a job that was begun. `number` counts from 1; `name` is empty if it is not known."""

    number: int
    name: str = ""


class Place(Struct, frozen=True, gc=False):
    """Where an output wrote, and how many rows."""

    kind: str
    path: str
    rows: int | None


class Event(Struct, frozen=True, gc=False, kw_only=True):
    """One thing that happened. Its fields are those of the JSON that is told; None means that it does not apply.

    `batch` is the word that the commands take for it, `ref` and `submission` are names of ours. `code`, `message` and
    `hint` say what is wrong. `age_seconds` of a late batch is more than 95 % of such batches took, which is
    `slow_seconds`. `gone_at` is when the API deletes the results.
    """

    id: str
    at: datetime
    event: EventName
    batch: str | None
    ref: str | None = None
    submission: str | None = None
    name: str = ""
    state: State | None = None
    requests: int | None = None
    request_counts: Counts | None = None
    outcomes: Outcomes | None = None
    results_path: str | None = None
    output: Place | None = None
    step: Step | None = None
    code: str | None = None
    message: str | None = None
    hint: str | None = None
    age_seconds: float | None = None
    slow_seconds: float | None = None
    gone_at: datetime | None = None
    max_usd: float | None = None


def as_json(event: Event) -> dict[str, Any]:
    """The fields as JSON has them: always the same ones, null where one does not apply. Times are in ISO 8601."""
    return {"schema": SCHEMA, **{name: _plain(value) for name, value in asdict(event).items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, StrEnum) else value
