"""The wall clock, used if no other clock is passed in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

Time = Annotated[datetime, Meta(tz=True)]
"""A time in a record. One without a zone, from a hand that edited a file, cannot be compared with another."""


def utc_now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)
