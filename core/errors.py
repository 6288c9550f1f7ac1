"""One family of errors, each with a hint that says what to do next, and the exit code it ends a command with."""

from __future__ import annotations

from typing import NamedTuple, Self

OK = 0
FAILED = 1
USAGE = 2
SOME_FAILED = 3
UNREACHABLE = 4
NO_KEY = 5
NEEDS_PERSON = 6
INTERRUPTED = 130


class BatchtuiError(Exception):
    """Something a person must know: what happened (`message`) and what to do (`hint`)."""

    exit_code = FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def with_hint(self, hint: str) -> Self:
        """This error with another hint, set by whoever knows better what to do next."""
        self.hint = hint
        return self


class Failure(NamedTuple):
    """An error and the batch that it is about: its ref, None if it is about none."""

    batch: str | None
    error: BatchtuiError

    @property
    def message(self) -> str:
        return self.error.message

    @property
    def hint(self) -> str:
        return self.error.hint


class UsageError(BatchtuiError):
    """The command was not understood: a batch that is not known, a flag that does not fit."""

    exit_code = USAGE


class BadInput(BatchtuiError):
    """A file of requests, or a setting, is not usable. Nothing was sent."""


class NotAllowed(BatchtuiError):
    """The batch does not allow this verb now; the message says why."""


class StateError(BatchtuiError):
    """The state could not be read or written. What was acknowledged before is still there."""


class Busy(BatchtuiError):
    """Another process of ours holds what is needed; trying again later is enough."""


class Unverified(BatchtuiError):
    """Downloaded results did not pass the check; nothing stands under the final name."""


class Stopped(BatchtuiError):
    """A person ended it before it was done; what was done by then is kept."""

    exit_code = INTERRUPTED


class NoKey(BatchtuiError):
    """No API key, or one that cannot be a key, or one that the API refused."""

    exit_code = NO_KEY


class ApiError(BatchtuiError):
    """The API answered with an error. `status` is the HTTP status, None where there was none.

    `body` is what came with it, hostile text as it came but for the key; empty where there was nothing.
    """

    status: int | None = None
    retry_after: float | None = None
    body: bytes = b""

    def __init__(
        self, message: str, hint: str = "", *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.retry_after = retry_after


class Unreachable(ApiError):
    """No usable answer: offline, a timeout, an overloaded or failing server. Trying again later is right."""

    exit_code = UNREACHABLE


class NotFound(ApiError):
    """404: not known in the workspace of this key, or not yet, or no longer."""


class NotSent(Unreachable):
    """A create whose body was certainly never complete at the server: it may be sent again."""


class OutcomeUnknown(ApiError):
    """A create that may or may not have been accepted: it must never be sent again blindly."""

    exit_code = NEEDS_PERSON
