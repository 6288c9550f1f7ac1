"""What commands print as JSON, as records. The JSON Schemas of `batchtui schema` are made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import fields

from batchtui.core.batches.batch import Cost, State
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.remote import Counts, ProcessingStatus
from batchtui.core.batches.spending import Spending
from batchtui.core.clock import Time
from batchtui.core.results.summary import Summary

SCHEMA: Final = 1
"""The version of the JSON. Fields may be added to it; if one is taken away or means something else, it changes."""


class Record(Struct, frozen=True, kw_only=True):
    """One JSON object. A field that is UNSET is left out, all others are there."""


class Printed(Record, frozen=True, kw_only=True):
    """The one object that a command prints."""

    schema: Literal[1] = SCHEMA


class TroubleRecord(Record, frozen=True, kw_only=True):
    """What last went wrong with a batch, and what to do about it."""

    message: str
    hint: str
    at: Time


class OutputRecord(Record, frozen=True, kw_only=True):
    """A place that results are written to. `rows` and `done_at` are null until they are."""

    kind: str
    path: str
    rows: int | None
    done_at: Time | None


class BatchRecord(Record, frozen=True, kw_only=True):
    """A batch. What is not known is null, never zero.

    `id` is the API's, `ref` ours: null if only the API knows the batch. `requests` is how many were sent; `outcomes`
    counts what their answers are worth, once they are here. `remote_deleted_at` is when the API's copy was deleted.
    `step` is the name of its step, null if it is of no job.
    """

    id: str | None
    ref: str | None
    name: str
    state: State
    processing_status: ProcessingStatus | None
    betas: tuple[str, ...]
    step: str | None
    requests: int
    request_counts: Counts
    outcomes: Outcomes | None
    submitted_at: Time
    created_at: Time | None
    ended_at: Time | None
    expires_at: Time | None
    results_path: str | None
    retrieved_at: Time | None
    remote_deleted_at: Time | None
    trouble: TroubleRecord | None
    cost: Cost
    outputs: tuple[OutputRecord, ...]


class SubmissionRecord(Record, frozen=True, kw_only=True):
    """What a person sent. `adopted`: somebody else sent it. What has not ended by `deadline` is canceled."""

    ref: str
    input: str
    sha256: str
    bytes: int
    models: tuple[str, ...]
    adopted: bool
    deadline: Time | None


class AttemptRecord(Record, frozen=True, kw_only=True):
    """A batch that requests were sent in: the first one, or a retry. `kinds` counts them by why they were sent
    again."""

    id: str | None
    ref: str | None
    state: State
    requests: int
    request_counts: Counts
    outcomes: Outcomes | None
    submitted_at: Time
    retrieved_at: Time | None
    cost: Cost
    retry_of: str | None
    kinds: dict[str, int]


class DetailsRecord(BatchRecord, frozen=True, kw_only=True):
    """A batch, or a submission of several, with all that is known about it."""

    submission: SubmissionRecord | None
    summary: Summary | None
    attempts: list[AttemptRecord] | UnsetType = UNSET
    parts: list[BatchRecord] | UnsetType = UNSET


class ErrorRecord(Record, frozen=True, kw_only=True):
    """What went wrong, and what to do next. `batch` is what to call the batch that it is about.

    `line` and `field` are there for a problem of a file: where it is. A line of null means the file as a whole.
    """

    batch: str | None
    code: str
    message: str
    hint: str
    line: int | UnsetType | None = UNSET
    field: str | UnsetType = UNSET


class TouchRecord(Record, frozen=True, kw_only=True):
    """What a job touches outside its folder: a path, or a command line."""

    does: str
    what: str
    field: str


class PollerRecord(Record, frozen=True, kw_only=True):
    """The process that polls."""

    pid: int | None
    host: str | None
    command: str
    since: Time | None
    looked_at: Time | None
    next_at: Time | None


class Batches(Printed, frozen=True, kw_only=True):
    """Batches, and what went wrong. `problems` counts those of a file that was refused, `touches` is what a job wants
    to touch that nobody agreed to."""

    batches: list[BatchRecord] = []
    problems: int | UnsetType = UNSET
    touches: list[TouchRecord] | UnsetType = UNSET
    errors: list[ErrorRecord] = []


class Failed(Printed, frozen=True, kw_only=True):
    """What a command prints that failed before it could do anything."""

    batches: Annotated[list[BatchRecord], Meta(max_length=0)] = []
    errors: Annotated[list[ErrorRecord], Meta(min_length=1)]


class Listed(Printed, frozen=True, kw_only=True):
    """All batches, newest first. `cost` is there with --cost, `errors` if the API could not be asked."""

    batches: list[BatchRecord]
    cost: Spending | UnsetType = UNSET
    errors: list[ErrorRecord] | UnsetType = UNSET


class Shown(Printed, frozen=True, kw_only=True):
    """One batch, or null if there is none to show."""

    batch: DetailsRecord | None
    errors: list[ErrorRecord] | UnsetType = UNSET


class Once(Printed, frozen=True, kw_only=True):
    """What one cycle did. `retrieved` and `submitted` are ids. With `polled_by`, another process polls, and this is
    what it saved."""

    batches: list[BatchRecord] = []
    retrieved: tuple[str, ...] = ()
    submitted: tuple[str, ...] = ()
    errors: list[ErrorRecord]
    api_calls: int = 0
    polled_by: PollerRecord | None = None


class KindRecord(Record, frozen=True, kw_only=True):
    """The failed requests of one kind, also by cause: whether they are sent again, and at which price."""

    kind: str
    requests: int
    causes: dict[str, int]
    taken: bool
    estimated_usd: float | None
    max_usd: float | None


class Retried(Printed, frozen=True, kw_only=True):
    """What was sent again, by cause, and what was left out. With --rows: where the `failed` ones were `written`."""

    batches: list[BatchRecord]
    retried: dict[str, int] | UnsetType = UNSET
    left: dict[str, int] | UnsetType = UNSET
    kinds: list[KindRecord] | UnsetType = UNSET
    written: str | UnsetType = UNSET
    failed: dict[str, int] | UnsetType = UNSET
    errors: list[ErrorRecord]


class ExampleRecord(Record, frozen=True, kw_only=True):
    """An example job."""

    name: str
    about: str


class Examples(Printed, frozen=True, kw_only=True):
    """The example jobs, or the files of those that were written."""

    examples: list[ExampleRecord] | UnsetType = UNSET
    written: list[str] | UnsetType = UNSET
    errors: list[ErrorRecord]


class CheckRecord(Record, frozen=True, kw_only=True):
    """One thing that was looked at: what was found, and what to do if it is not `ok`."""

    name: str
    ok: bool
    message: str
    hint: str


class Doctor(Printed, frozen=True, kw_only=True):
    """Whether all is well."""

    ok: bool
    checks: list[CheckRecord]


class LogRecord(Printed, frozen=True, kw_only=True):
    """One record of the log. `trace` is empty unless an error had one."""

    at: str
    level: str
    pid: int
    message: str
    trace: str


def spelled(part: Any) -> Any:
    """A record as plain JSON values, with every field of it that is set."""
    if isinstance(part, Struct):
        values = ((field.encode_name, getattr(part, field.name)) for field in fields(part))
        return {name: spelled(value) for name, value in values if value is not UNSET}
    if isinstance(part, dict):
        return {name: spelled(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [spelled(one) for one in part]
    return part.isoformat() if isinstance(part, datetime) else part
