"""The clocks, used if no others are passed in."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

Time = Annotated[datetime, Meta(tz=True)]
"""A time in a record. One without a zone, from a hand that edited a file, cannot be compared with another."""


def utc_now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


_WITH_SLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # macOS: its CLOCK_MONOTONIC goes on in sleep


def since_boot() -> float:
    """Seconds that pass also while the machine sleeps, and that nobody can set."""
    return time.clock_gettime(_WITH_SLEEP)


def awake() -> float:
    """Seconds that pass only while the machine is awake."""
    return time.monotonic()
