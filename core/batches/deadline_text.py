"""A deadline as people write it, `6h` or a time in RFC 3339, and as they read it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, State
from batchtui.core.errors import BadInput
from batchtui.core.text import duration, inert_line

FORMS = "Write 90m, 6h, 1d or 2h30m, or a time with its zone: 2026-12-01T18:00:00Z"

_SPAN = re.compile(r"(?:([0-9]{1,4})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,6})m)?", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


def read(text: str, now: datetime) -> datetime:
    """The time that a deadline means, in UTC, if it is given at `now`.

    Raises:
        BadInput: it is not written as a deadline, or it is over.
    """
    shown = inert_line(text, 60)
    try:
        at = _at(text.strip(), now)
    except (ValueError, OverflowError):
        raise BadInput(f'The deadline "{shown}" cannot be read.', FORMS) from None
    if at <= now:
        raise BadInput(
            f'The deadline "{shown}" is over. Nothing was sent.',
            "Give one that is still to come, or send it without a batch: --now.",
        )
    return at


def is_well_formed(text: str) -> bool:
    """Whether it is written as a deadline, be it over or not."""
    try:
        _at(text.strip(), datetime(2000, 1, 1, tzinfo=UTC))
    except (ValueError, OverflowError):
        return False
    return True


def _at(text: str, now: datetime) -> datetime:
    if found := _SPAN.fullmatch(text) if text else None:
        days, hours, minutes = (int(part or 0) for part in found.groups())
        return now + timedelta(days=days, hours=hours, minutes=minutes)
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def in_words(deadline: datetime, now: datetime) -> str:
    """`in 2h`, or `2h ago`, to the nearest minute if it is minutes away."""
    span = abs(deadline - now)
    if span > timedelta(minutes=2):
        span = timedelta(minutes=round(span / timedelta(minutes=1)))
    return f"in {duration(span)}" if deadline > now else f"{duration(span)} ago"


def of_batch(batch: Batch, now: datetime) -> str:
    """What a row says of the deadline of a batch: `deadline in 2h`; empty if it has none, or all of it is here."""
    if batch.deadline is None or batch.state not in UNDER_WAY | UNSETTLED | {State.ENDED}:
        return ""
    return f"deadline {in_words(batch.deadline, now)}"
