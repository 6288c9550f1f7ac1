"""The records: what the user sent (a submission), the batches it became, and how far they are.

Everything here is frozen, pure and free of cycles, so the garbage collector can leave it alone. Times are aware
datetimes in UTC; durations are timedeltas. Fields of the API's own object keep its names
(https://docs.claude.com/en/api/creating-message-batches).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct

from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.remote import Counts, ProcessingStatus
from batchtui.core.clock import Time
from batchtui.core.errors import BatchtuiError
from batchtui.core.text import number, plural

RETENTION = timedelta(days=29)
"""How long after `created_at` (not `ended_at`) results are available, according to the API's documentation."""

TIME_LIMIT = timedelta(hours=24)
"""A request expires if it has not run this long after `created_at`."""


class State(StrEnum):
    """The local state of a batch. The value is what JSON shows."""

    SUBMITTING = "submitting"
    UNCONFIRMED = "unconfirmed"
    REJECTED = "rejected"
    IN_PROGRESS = "in_progress"
    CANCELING = "canceling"
    ENDED = "ended"
    RETRIEVED = "retrieved"
    GONE = "gone"

    @property
    def words(self) -> str:
        """The state as the user reads it: `in progress`."""
        return self.value.replace("_", " ")


UNSETTLED = frozenset({State.SUBMITTING, State.UNCONFIRMED})
"""A POST may have been sent, but no id is known."""

UNDER_WAY = frozenset({State.IN_PROGRESS, State.CANCELING})
"""The API is working on it, so it must be polled."""


class Trouble(Struct, frozen=True, gc=False, omit_defaults=True):
    """What last went wrong with a batch, in words, and what to do about it. `code` is that of the error, if any."""

    message: str
    hint: str
    at: Time
    code: str = ""

    @classmethod
    def of(cls, error: BatchtuiError, at: datetime) -> Trouble:
        """Turns an error into the trouble that the batch's row shows."""
        return cls(error.message, error.hint, at, error.code)


class Cost(Struct, frozen=True, gc=False, omit_defaults=True):
    """US dollars; None means "not known", never zero. `saved_usd` is relative to the standard price of the tokens,
    `max_usd` is the most that it could cost when it was sent."""

    estimated_usd: float | None = None
    actual_usd: float | None = None
    saved_usd: float | None = None
    max_usd: float | None = None


class Output(Struct, frozen=True, gc=False, omit_defaults=True):
    """A place that results are written to: `kind` is one of the kinds in `outputs.kinds`, `path` is where it writes.

    `unmatched` counts answers that met no row of the user's table; `failed_path` lists them, and all else that was not
    written. `guarded` counts cells that a spreadsheet would have run; `unnamed` says which answers have no file.
    """

    kind: str
    path: str
    options: dict[str, Any] = {}
    done_at: Time | None = None
    rows: int | None = None
    unmatched: int = 0
    failed_path: str = ""
    guarded: int = 0
    unnamed: str = ""


class Attempt(Struct, frozen=True, gc=False, omit_defaults=True):
    """What was known when a create was sent: the evidence that settles an unknown outcome.

    `started_at` is the API's Date. `nearby` are ids that the API listed just before, `newest` is the `created_at` of
    the newest of them (None in states of older versions). `refused` are ids that turned out to belong to somebody else,
    `proven` is one whose results have our ids. `looked_at` (the API's Date) is when the list last showed nothing that
    could be it. `account` identifies the key and the host that it was sent with. `confirmed`: the API has shown the
    batch under that account by itself, beside the answer to its create.
    """

    started_at: Time
    bytes: int
    nearby: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    looked_at: Time | None = None
    account: str = ""
    newest: Time | None = None
    proven: str = ""
    confirmed: bool = False


class Batch(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One Message Batch: the API's object, our `state` of it, and what happened to its results.

    `ref` is ours and never changes; `id` is the API's and None until known. `part` counts from 1 among the batches
    that one submission was split into; `step` is the index of its step, `step_name` its name, empty if it is of no job
    or was sent by an older version. A retry holds the requests of another batch
    that did not succeed: `retry_of` is the ref of that batch, and `retried` counts them by kind (see `retries`). Both
    are empty otherwise. `digest` is the sha256 over
    the sorted custom_ids that were sent, empty if somebody else sent them. `betas` went with its create. `account`
    identifies the key and the host that it is known under. `attempt` is kept until its results have shown that they are
    its own. `doubtful` marks an id that was found by time and count alone: the ids in
    its results decide. `outcomes` counts what its results are worth; None until they are here. `failing_since` is when
    a request for them first failed. `remote_deleted_at` is when the API's copy was deleted. `told` names the events
    that people and programs were told of (see `events`). `overdue` marks one that had not ended by the deadline of its
    submission: it is canceled, and what has no answer then is still to be sent at once. `deadline` is that of its
    submission, None if it was sent after that, or a person wants it to be left alone.
    """

    ref: str
    name: str
    submission: str
    submitted_at: Time
    requests: int
    state: State
    id: str | None = None
    part: int = 1
    step: int = 0
    step_name: str = ""
    retry_of: str = ""
    retried: dict[str, int] = {}
    processing_status: ProcessingStatus | None = None
    request_counts: Counts = Counts()
    created_at: Time | None = None
    expires_at: Time | None = None
    ended_at: Time | None = None
    archived_at: Time | None = None
    cancel_initiated_at: Time | None = None
    models: tuple[str, ...] = ()
    betas: tuple[str, ...] = ()
    digest: str = ""
    account: str = ""
    attempt: Attempt | None = None
    doubtful: bool = False
    results_path: str | None = None
    retrieved_at: Time | None = None
    outcomes: Outcomes | None = None
    trouble: Trouble | None = None
    failing_since: Time | None = None
    remote_deleted_at: Time | None = None
    told: tuple[str, ...] = ()
    cost: Cost = Cost()
    outputs: tuple[Output, ...] = ()
    overdue: bool = False
    deadline: Time | None = None
    revision: int = 0

    @property
    def certain(self) -> bool:
        """Whether its id is more than a single answer of a host: the API has shown it under its account since."""
        return not self.doubtful and (self.attempt is None or self.attempt.confirmed)

    @property
    def label(self) -> str:
        """What to call it in a sentence: the id if it is known, else the ref."""
        return self.id or self.ref

    @property
    def began(self) -> datetime:
        """When the API created it; until that is known, when we sent it."""
        return self.created_at or self.submitted_at

    @property
    def unanswered(self) -> int:
        """Requests without a usable answer; until the results are here, those that failed."""
        return self.outcomes.unanswered if self.outcomes else self.request_counts.failed

    @property
    def share(self) -> str:
        """How many of its requests have an answer: `95 of 100 requests succeeded`, as far as is known."""
        count = self.outcomes.answered if self.outcomes else self.request_counts.succeeded
        word = "succeeded" if count == self.request_counts.succeeded else "have an answer"
        return f"{number(count)} of {plural(self.request_counts.total, 'request')} {word}"

    @property
    def is_whole(self) -> bool:
        """Whether this is a row for all batches of a submission, not a batch of the API."""
        return self.ref == self.submission


class Part(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Requests that are archived under `ref` and wait to be sent as one batch.

    `number` counts from 1 within a step; `bytes` is the size of the create body, `digest` the sha256 over the sorted
    custom_ids.
    """

    ref: str
    requests: int
    bytes: int
    digest: str
    models: tuple[str, ...] = ()
    number: int = 1
    step: int = 0
    retry_of: str = ""
    retried: dict[str, int] = {}
    estimated_usd: float | None = None
    max_usd: float | None = None


class Submission(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What the user sent: a name, an input, its outputs, and the batches it became.

    `sha256` is over all archived rows. `betas` go with all of them. `batches` are refs, in the order of parts and
    steps. `waiting` are the parts that the polling process has yet to send. With `canary`, the first part of a step is
    sent alone; the others wait until its answers are here and all are usable. `step` counts the steps begun before this
    one; `steps` names those that follow once its answers are here, `step_names` all of a job. `outputs` belong to this
    step. `trouble` says why nothing happens at the moment; with `stopped`, nothing ever happens automatically. `urgent`
    marks a submission that is sent without a batch: the polling process does not send its waiting parts as batches, and
    answers them at once if a deadline made it urgent. `adopted` marks one that somebody else sent. `max_cost` is the
    most that all of its steps together may cost, in US dollars. `held_at` is when its answers were found not to allow
    the next step; newer answers are checked again. `forgotten_usd` is the cost of its forgotten batches, and of answers
    that were lost, None if not known. What has not ended by `deadline` is canceled; what has no answer then is sent at
    once, without a batch. `told` is as in `Batch`, for events of the whole submission.
    """

    ref: str
    name: str
    created_at: Time
    requests: int
    input: str = ""
    sha256: str = ""
    bytes: int = 0
    models: tuple[str, ...] = ()
    betas: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    waiting: tuple[Part, ...] = ()
    canary: bool = False
    step: int = 0
    steps: tuple[str, ...] = ()
    step_names: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    trouble: Trouble | None = None
    stopped: bool = False
    urgent: bool = False
    adopted: bool = False
    max_cost: float | None = None
    held_at: Time | None = None
    forgotten_usd: float | None = 0.0
    deadline: Time | None = None
    told: tuple[str, ...] = ()
    revision: int = 0

    @property
    def by_hand(self) -> bool:
        """Whether it is a run without a batch that only a person goes on with, by `--now`."""
        return self.urgent and self.deadline is None

    def name_of_step(self, step: int) -> str:
        """The name of a step by its index; empty if this is no job, or was sent by an older version."""
        return self.step_names[step] if step < len(self.step_names) else ""


class Snapshot(Struct, frozen=True, gc=False):
    """The whole state at one revision. `batches` are newest first, `submissions` in the order in which they were begun,
    whatever our clock said."""

    revision: int = 0
    batches: tuple[Batch, ...] = ()
    submissions: dict[str, Submission] = {}


def newest_first(batch: Batch) -> tuple[float, str]:
    """The sort key: when the API created the batch, or else when we sent it."""
    return (-batch.began.timestamp(), batch.ref)


def age(batch: Batch, now: datetime) -> timedelta:
    """How long the batch has been running, or ran until it ended."""
    return max((batch.ended_at or now) - batch.began, timedelta())


def retention_left(batch: Batch, now: datetime) -> timedelta | None:
    """How long the API still keeps the results; None if there is no created_at yet."""
    return batch.created_at + RETENTION - now if batch.created_at else None
