"""Turns the API's refusals into our errors, by HTTP status and message."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
from msgspec import Struct

from batchtui.core.errors import ApiError, NoKey, NotFound, Unreachable

ASK_LATER = "Nothing is lost; the next check tries again."

UNCLEAR = frozenset({408, 409, 499})
"""Client errors after which a create may still have been accepted: the server gave up waiting, or saw a conflict."""

LONGEST_PAUSE = 3600.0
"""Seconds. If the API asks for a longer wait, we try again after this long."""


class _Body(Struct):
    class _Said(Struct):
        message: str = ""

    error: _Said = msgspec.field(default_factory=_Said)


def said_by(content: bytes) -> str:
    """The message in an error body; empty if the body is not from the API."""
    try:
        return msgspec.json.decode(content, type=_Body).error.message
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def refused(status: int, said: str, code: str, pause: float | None, source: str) -> ApiError | NoKey:
    """The error for a status. `said` is inert, `code` is the API's finer code, `source` is where the key came from."""
    said = said or f"HTTP {status}"
    match status:
        case 401:
            return NoKey(f"The API refused the key from {source}: {said}", "Set a valid key.")
        case 403:
            return NoKey(f"This key does not allow that: {said}", "Use a key from the right workspace.")
        case 404:
            hint = "It may belong to another workspace than this key, or be gone."
            return NotFound(f"The API does not know it: {said}", hint, status=status)
        case 429 if "spend_limit" not in code:
            return Unreachable(f"The API asks to slow down: {said}", ASK_LATER, status=status, retry_after=pause)
        case _ if status >= 500 or status in UNCLEAR:
            return Unreachable(f"The API failed: {said} ({status}).", ASK_LATER, status=status, retry_after=pause)
        case _ if status < 400:
            message = f"The host answered with a redirect ({status}), which is not followed."
            return Unreachable(message, "Check ANTHROPIC_BASE_URL and any proxy in between.", status=status)
        case _:
            return ApiError(f"The API refused it: {said} ({status}).", "", status=status)


def how_it_broke(error: BaseException) -> str:
    """Why a connection broke. The HTTP library's own errors are often empty, so their causes are searched too."""
    below: BaseException | None = error
    while below:
        if said := (getattr(below, "strerror", None) or str(below)).rstrip("."):
            return said
        below = below.__cause__ or below.__context__
    return type(error).__name__


def pause_of(value: str | None) -> float | None:
    """`retry-after` in seconds, at most an hour; None if it is not usable (nan, negative, not a date)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        at = http_date(value)
        if at is None:
            return None
        seconds = (at - datetime.now(UTC)).total_seconds()
    return min(seconds, LONGEST_PAUSE) if math.isfinite(seconds) and seconds >= 0 else None


def http_date(value: str | None) -> datetime | None:
    """The time in a Date header; None if it is not a date."""
    try:
        at = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
