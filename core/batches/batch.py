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
from msgspec.structs import replace

from batchtui.core.batches.remote import Counts, ProcessingStatus, Remote
from batchtui.core.errors import BatchtuiError

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
    at: datetime
    code: str = ""

    @classmethod
    def of(cls, error: BatchtuiError, at: datetime) -> Trouble:
        """Turns an error into the trouble that the batch's row shows."""
        return cls(error.message, error.hint, at, error.code)


class Cost(Struct, frozen=True, gc=False, omit_defaults=True):
    """US dollars; None means "not known", never zero. `saved_usd` is relative to the standard price of the tokens."""

    estimated_usd: float | None = None
    actual_usd: float | None = None
    saved_usd: float | None = None


class Output(Struct, frozen=True, gc=False, omit_defaults=True):
    """A place that results are written to: `kind` is one of the kinds in `outputs.kinds`, `path` is where it writes.

    `unmatched` counts answers that met no row of the user's table; `failed_path` lists them, and all else that was not
    written.
    """

    kind: str
    path: str
    options: dict[str, Any] = {}
    done_at: datetime | None = None
    rows: int | None = None
    unmatched: int = 0
    failed_path: str = ""


class Attempt(Struct, frozen=True, gc=False, omit_defaults=True):
    """What was known when a create was sent: the evidence that settles an unknown outcome.

    `started_at` is the API's Date. `nearby` are ids that the API listed just before, `newest` is the `created_at` of
    the newest of them (None in states of older versions). `refused` are ids that turned out to belong to somebody else,
    `proven` is one whose results have our ids. `looked_at` (the API's Date) is when the list last showed nothing that
    could be it. `account` identifies the key and the host that it was sent with.
    """

    started_at: datetime
    bytes: int
    nearby: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    looked_at: datetime | None = None
    account: str = ""
    newest: datetime | None = None
    proven: str = ""


class Batch(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One Message Batch: the API's object, our `state` of it, and what happened to its results.

    `ref` is ours and never changes; `id` is the API's and None until known. `part` counts from 1 among the batches
    that one submission was split into; `step` is the index of its step. A retry holds the requests of another batch
    that did not succeed, and `retry_of` is the ref of that batch; otherwise it is empty. `digest` is the sha256 over
    the sorted custom_ids that were sent, empty if somebody else sent them. `betas` went with its create. `account`
    identifies the key and the host that it is known under. `attempt` is kept until the API has shown the batch by
    itself, beside the answer to its create. `doubtful` marks an id that was found by time and count alone: the ids in
    its results decide. `failing_since` is when a request for its results first failed.
    """

    ref: str
    name: str
    submission: str
    submitted_at: datetime
    requests: int
    state: State
    id: str | None = None
    part: int = 1
    step: int = 0
    retry_of: str = ""
    processing_status: ProcessingStatus | None = None
    request_counts: Counts = Counts()
    created_at: datetime | None = None
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    archived_at: datetime | None = None
    cancel_initiated_at: datetime | None = None
    models: tuple[str, ...] = ()
    betas: tuple[str, ...] = ()
    digest: str = ""
    account: str = ""
    attempt: Attempt | None = None
    doubtful: bool = False
    results_path: str | None = None
    retrieved_at: datetime | None = None
    trouble: Trouble | None = None
    failing_since: datetime | None = None
    cost: Cost = Cost()
    outputs: tuple[Output, ...] = ()
    revision: int = 0

    @property
    def label(self) -> str:
        """What to call it in a sentence: the id if it is known, else the ref."""
        return self.id or self.ref

    @property
    def began(self) -> datetime:
        """When the API created it; until that is known, when we sent it."""
        return self.created_at or self.submitted_at

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
    estimated_usd: float | None = None


class Submission(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What the user sent: a name, an input, its outputs, and the batches it became.

    `sha256` is over all archived rows. `betas` go with all of them. `batches` are refs, in the order of parts and
    steps. `waiting` are the parts that the polling process has yet to send. With `canary`, the first part of a step is
    sent alone; the others wait until its answers are here and all succeeded. `step` counts the steps begun before this
    one; `steps` names those that follow once its answers are here. `outputs` belong to this step. `trouble` says why
    nothing happens at the moment; with `stopped`, nothing ever happens automatically. `urgent` marks a submission that
    is sent without a batch: the polling process does not send its waiting parts. `adopted` marks one that somebody else
    sent. `max_cost` is the most that all of its steps together may cost, in US dollars. `held_at` is when its answers
    were found not to allow the next step; newer answers are checked again. `forgotten_usd` is the cost of its forgotten
    batches, None if not known.
    """

    ref: str
    name: str
    created_at: datetime
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
    outputs: tuple[Output, ...] = ()
    trouble: Trouble | None = None
    stopped: bool = False
    urgent: bool = False
    adopted: bool = False
    max_cost: float | None = None
    held_at: datetime | None = None
    forgotten_usd: float | None = 0.0
    revision: int = 0


class Snapshot(Struct, frozen=True, gc=False):
    """The whole state at one revision. `batches` are newest first."""

    revision: int = 0
    batches: tuple[Batch, ...] = ()
    submissions: dict[str, Submission] = {}


def noted(outputs: tuple[Output, ...], done: Output) -> tuple[Output, ...]:
    """The outputs with `done` added; it replaces an earlier one that went to the same place."""
    return (*(one for one in outputs if (one.kind, one.path) != (done.kind, done.path)), done)


def newest_first(batch: Batch) -> tuple[float, str]:
    """The sort key: when the API created the batch, or else when we sent it."""
    return (-batch.began.timestamp(), batch.ref)


def observe(batch: Batch, remote: Remote) -> Batch:
    """The batch after one look at the API's object. A retrieved batch stays retrieved; an end is never undone."""
    was_ended = batch.state is State.ENDED and remote.processing_status is not ProcessingStatus.ENDED
    if was_ended or batch.state in (State.RETRIEVED, State.GONE):
        return replace(batch, archived_at=remote.archived_at or batch.archived_at)
    return replace(
        batch,
        id=remote.id,
        state=_state(remote),
        processing_status=remote.processing_status,
        request_counts=remote.request_counts,
        requests=remote.request_counts.total or batch.requests,
        created_at=remote.created_at,
        expires_at=remote.expires_at,
        ended_at=remote.ended_at,
        archived_at=remote.archived_at,
        cancel_initiated_at=remote.cancel_initiated_at,
        attempt=batch.attempt if batch.doubtful else None,
    )


def unclaimed(batch: Batch, trouble: Trouble) -> Batch:
    """The batch without the id it has, which turned out to belong to somebody else: the search for its own goes on."""
    if batch.attempt is None or batch.id is None:
        return batch
    return replace(
        batch,
        id=None,
        state=State.UNCONFIRMED,
        processing_status=None,
        request_counts=Counts(),
        created_at=None,
        expires_at=None,
        ended_at=None,
        archived_at=None,
        cancel_initiated_at=None,
        attempt=replace(batch.attempt, refused=(*batch.attempt.refused, batch.id)),
        doubtful=False,
        trouble=trouble,
        failing_since=None,
        cost=Cost(batch.cost.estimated_usd),
    )


def _state(remote: Remote) -> State:
    if remote.processing_status is ProcessingStatus.ENDED:
        return State.GONE if remote.archived_at else State.ENDED
    return State.CANCELING if remote.processing_status is ProcessingStatus.CANCELING else State.IN_PROGRESS


def age(batch: Batch, now: datetime) -> timedelta:
    """How long the batch has been running, or ran until it ended."""
    return max((batch.ended_at or now) - batch.began, timedelta())


def retention_left(batch: Batch, now: datetime) -> timedelta | None:
    """How long the API still keeps the results; None if there is no created_at yet."""
    return batch.created_at + RETENTION - now if batch.created_at else None
