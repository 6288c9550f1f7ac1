"""A Message Batch as the API describes it, with every field checked during decoding.

The fields keep the names of the API's own object (https://docs.claude.com/en/api/creating-message-batches).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict, astuple

BatchId = Annotated[str, Meta(pattern=r"^msgbatch_[A-Za-z0-9_-]{1,128}\Z")]
"""An id from the API. It becomes part of paths and URLs, so nothing else is accepted as an id."""


class ProcessingStatus(StrEnum):
    """`processing_status` of the API's object. A new value becomes UNKNOWN, which counts as not ended."""

    IN_PROGRESS = "in_progress"
    CANCELING = "canceling"
    ENDED = "ended"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> ProcessingStatus:
        return cls.UNKNOWN


class Counts(Struct, frozen=True, gc=False, omit_defaults=True):
    """`request_counts`: their sum is always the number of requests.

    According to its documentation, the API keeps all of them in `processing` until the whole batch has ended.
    """

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        return self.processing + self.done

    @property
    def done(self) -> int:
        return self.succeeded + self.failed

    @property
    def failed(self) -> int:
        """Requests that ended without an answer."""
        return self.errored + self.canceled + self.expired

    def words(self) -> str:
        """`95 succeeded, 5 errored`: all that is not zero."""
        said = [f"{count:,} {name}" for name, count in asdict(self).items() if count]
        return ", ".join(said) or "no requests"


class Remote(Struct, frozen=True, gc=False, kw_only=True):
    """A Message Batch as the API describes it, with every field checked during decoding."""

    id: BatchId
    processing_status: ProcessingStatus
    request_counts: Counts
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    archived_at: datetime | None = None
    cancel_initiated_at: datetime | None = None

    def __post_init__(self) -> None:
        times = (self.created_at, self.expires_at, self.ended_at, self.archived_at, self.cancel_initiated_at)
        odd = any(at and not (at.tzinfo and 2000 < at.year < 3000) for at in times)
        if odd or not all(0 <= count < 2**40 for count in astuple(self.request_counts)):
            raise ValueError("a time has no zone, or a time or a count is out of range")
