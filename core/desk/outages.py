"""What is said about looks that fail: once when it begins, counted while it lasts, and once when it is over. Pure."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from batchtui.core.errors import BatchtuiError
from batchtui.core.state.looks import Outage
from batchtui.core.text import duration, inert_line, plural

_AGAIN = timedelta(hours=1)
"""What fails again within this time is no news: it is a warning, not an error."""


class Line(NamedTuple):
    """A line of the log."""

    level: int
    text: str


def failed(outage: Outage | None, error: BatchtuiError, now: datetime) -> tuple[Outage, Line | None]:
    """After a look that failed: what is remembered, and the line for it if it is new."""
    if outage and not outage.over and outage.code == error.code:
        return replace(outage, looks=outage.looks + 1), None
    again = outage is not None and outage.code == error.code and timedelta() <= now - outage.since < _AGAIN
    since = outage.since if outage and again else now
    begun = Outage(code=error.code, message=error.message, since=since)
    level = logging.WARNING if again else logging.ERROR
    return begun, Line(level, f"looks fail: {inert_line(error.message, 1000)} {inert_line(error.hint, 1000)}".rstrip())


def worked(outage: Outage | None, now: datetime) -> tuple[Outage | None, Line | None]:
    """After a look that worked."""
    if outage is None or outage.over:
        return outage, None
    return replace(outage, over=True), Line(logging.INFO, f"looks work again: {words(outage, now)}")


def words(outage: Outage, now: datetime) -> str:
    """`unreachable for 3h 00m, 36 looks`."""
    what = {"unreachable": "unreachable", "no_key": "without a key that is accepted"}.get(outage.code, "failing")
    return f"{what} for {duration(max(now - outage.since, timedelta()))}, {plural(outage.looks, 'look')}"
