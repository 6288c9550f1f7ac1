"""Turns the API's refusals into our errors, by HTTP status and message."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from batchtui.core.api.lenient_json import lenient_json, whole_characters
from batchtui.core.errors import ApiError, NoKey, NotFound, Unreachable
from batchtui.core.text import inert_line

ASK_LATER = "Nothing is lost; the next poll tries again."

UNCLEAR = frozenset({408, 409, 499})
"""Client errors after which a create may still have been accepted: the server gave up waiting, or saw a conflict."""

_NO_MONEY = ("usage limits", "credit balance")
"""Words in a 400 that is about the account (https://docs.claude.com/en/api/errors)."""

LONGEST_PAUSE = 3600.0
"""Seconds. If the API asks for a longer wait, we try again after this long."""


class _Envelope(Struct):
    class Detail(Struct):
        type: Annotated[str, Meta(min_length=1)]
        message: str = ""
        details: Any = None

    type: Literal["error"]
    error: Detail


_TYPES = frozenset(
    {
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "conflict_error",
        "request_too_large",
        "rate_limit_error",
        "api_error",
        "timeout_error",
        "overloaded_error",
    }
)
"""The API's types of errors (https://docs.claude.com/en/api/errors). What stands in between may answer in the same
shape, but not in the same words. A type that is not known yet leaves the outcome of a create open: the list settles
it."""


class Said(NamedTuple):
    """What the API's error envelope says. `code` is a finer word than the status; empty if there is none."""

    message: str
    code: str


def said_by(content: bytes) -> Said | None:
    """Reads the API's error envelope (https://docs.claude.com/en/api/errors); None if it is not one."""
    try:
        error = msgspec.convert(whole_characters(lenient_json(content.decode())), _Envelope).error
    except (ValueError, RecursionError):
        return None
    if error.type not in _TYPES:
        return None
    code = error.details.get("error_code") if isinstance(error.details, dict) else None
    return Said(error.message, code if isinstance(code, str) else "")


def failed(status: int, said: str | None, code: str, pause: float | None, source: str, via: str) -> ApiError | NoKey:
    """The error for a status. `said` is what the API's envelope says; if it is None, `via` answered in its place.

    A status alone proves nothing: anything between here and the API can send any. `code` is the API's finer code,
    `source` is where the key came from. All texts are inert.
    """
    if 300 <= status < 400:
        message = f"The host answered with a redirect ({status}), which is not followed."
        return Unreachable(message, "Check ANTHROPIC_BASE_URL and any proxy in between.", status=status)
    if said is None:
        message = f"HTTP {status} came from {via}, not from the API."
        check = "It limits how large a request may be: raise that, or send smaller batches with --split N."
        advice = check if status == 413 else "Check the proxy or network in between."
        return Unreachable(message, ASK_LATER, status=status, retry_after=pause).advising(advice)
    failure = _refused(status, said or f"HTTP {status}", code, pause, source)
    if isinstance(failure, ApiError):
        failure.by_api = True
    return failure


def _refused(status: int, said: str, code: str, pause: float | None, source: str) -> ApiError | NoKey:
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
        case 413:
            hint = "Send it in smaller batches with --split N, or shorten its requests."
            return ApiError(f"The API refused it as too large: {said} ({status}).", hint, status=status)
        case 402:
            return ApiError(f"The API refused it: {said} ({status}).", "Add credit in the Console.", status=status)
        case 429:
            hint = "Raise the spend limit in the Console, or wait until it starts anew."
            return ApiError(f"The API refused it: {said} ({status}).", hint, status=status)
        case _ if status >= 500 or status in UNCLEAR:
            return Unreachable(f"The API failed: {said} ({status}).", ASK_LATER, status=status, retry_after=pause)
        case _:
            return ApiError(f"The API refused it: {said} ({status}).", "", status=status)


def is_about_the_account(message: str) -> bool:
    """Whether a refusal is about the account, and not about what was asked."""
    return any(words in message.lower() for words in _NO_MONEY)


def who_answered(headers: Mapping[str, str]) -> str:
    """The proxy or server that an answer names as its own, in a few words."""
    for name in ("via", "server", "x-cache"):
        if named := headers.get(name, "").strip():
            return inert_line(named, 80)
    return "a proxy or server in between"


def how_it_broke(error: BaseException) -> str:
    """Why a connection broke. The HTTP library's own errors are often empty, so their causes are searched too; what a
    group of exceptions says is nothing but how many there are."""
    waiting: list[BaseException | None] = [error]
    name = type(error).__name__
    while waiting:
        below = waiting.pop(0)
        if isinstance(below, BaseExceptionGroup):
            waiting = [*below.exceptions, *waiting]
            name = type(below.exceptions[0]).__name__
        elif below is not None:
            if said := (getattr(below, "strerror", None) or str(below)).rstrip("."):
                return said
            waiting.insert(0, below.__cause__ or below.__context__)
    return name


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
    """The time in a Date header; None if it is not a date, or one that no clock of today shows."""
    from email.utils import parsedate_to_datetime

    try:
        at = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at if 2000 < at.year < 3000 else None
