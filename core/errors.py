"""The errors of batchtui. Each has a hint that says what to do next, the exit code that a command ends with, and a
code, which is a word that scripts can rely on."""

from __future__ import annotations

import errno
from typing import NamedTuple, Self

OK = 0
FAILED = 1
USAGE = 2
SOME_FAILED = 3
UNREACHABLE = 4
NO_KEY = 5
NEEDS_PERSON = 6
ALREADY_SENT = 7
TIMED_OUT = 8
INTERRUPTED = 130


_WAYS_OUT = {
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "Check the path: a part of it is a file, not a folder.",
    errno.EISDIR: "Give the name of a file, not of a folder.",
    errno.ENAMETOOLONG: "A name may have 255 bytes, and a path 4,096: give a shorter one.",
    errno.ELOOP: "Its links lead round in a circle: check the path.",
    errno.EACCES: "Change its permissions, or those of its folder.",
    errno.EPERM: "Change its permissions, or those of its folder.",
    errno.EROFS: "The disk is read-only: choose another place.",
    errno.ENOSPC: "Free some space on the disk, and try again.",
    errno.EDQUOT: "Free some space within your quota, and try again.",
    errno.EFBIG: "The file system takes no file that large: choose another place.",
    errno.EMFILE: "Too many files are open: raise the limit with ulimit -n, and try again.",
    errno.ENFILE: "Too many files are open on this machine: close some programs, and try again.",
    errno.ESTALE: "The share that holds it was changed or is gone: mount it again.",
    errno.EIO: "The disk or the share fails: check it.",
}


def way_out(error: OSError) -> str:
    """What to do about a disk, a folder or a file that does not allow something."""
    return _WAYS_OUT.get(error.errno or 0, "Check the path and the disk.")


class BatchtuiError(Exception):
    """It failed, for a reason that has no code of its own. `message` says what happened, `hint` what to do next."""

    exit_code = FAILED
    code = "failed"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def with_hint(self, hint: str) -> Self:
        """Replaces the hint and returns this error, for callers that know better what to do next."""
        self.hint = hint
        return self


class Failure(NamedTuple):
    """An error and the ref of the batch it is about, None if it is not about a batch."""

    batch: str | None
    error: BatchtuiError

    @property
    def message(self) -> str:
        return self.error.message

    @property
    def hint(self) -> str:
        return self.error.hint


def unforeseen(error: Exception, what: str, then: str = "It is tried again.") -> BatchtuiError:
    """An error that no code expected, in words: one batch or job has it, and the others go on. `what` failed, and
    `then` says what happens next."""
    if isinstance(error, BatchtuiError):
        return error
    if isinstance(error, OSError):
        about = f" ({error.filename})" if error.filename else ""
        said = f"{what} failed: {error.strerror or type(error).__name__}{about}."
        return BatchtuiError(said, f"{way_out(error)} {then}".strip())
    return BatchtuiError(f"{what} failed ({type(error).__name__}).", "The details are in batchtui.log.")


class UsageError(BatchtuiError):
    """The command was not understood: an unknown batch, or a flag that does not fit."""

    exit_code = USAGE
    code = "usage"


class NothingNew(BatchtuiError):
    """All that could be sent is under way or answered already. Nothing was sent, and nothing is wrong."""

    exit_code = OK
    code = "nothing_new"


class BadInput(BatchtuiError):
    """A file of requests or a setting cannot be used. Nothing was sent."""

    code = "bad_input"


class NotAllowed(BatchtuiError):
    """The batch does not allow this verb now; the message says why."""

    code = "not_allowed"


class OverLimit(NotAllowed):
    """It could cost more than its limit, or its cost is not known. None of it was sent."""

    code = "over_limit"


class Unagreed(BatchtuiError):
    """A job wants what a person must agree to first, and nobody did. Nothing was sent."""

    code = "not_agreed"


class SentBefore(NotAllowed):
    """The same rows, or some rows of a job, were sent before. Nothing was sent.

    `earlier` is what to call the batch that holds them; empty if there is none, or more than one.
    """

    exit_code = ALREADY_SENT
    code = "already_sent"

    def __init__(self, message: str, hint: str = "", earlier: str = "") -> None:
        super().__init__(message, hint)
        self.earlier = earlier


class SameRows(SentBefore):
    """The very same rows were sent a short time ago, or are under way. Nothing was sent."""


class StateError(BatchtuiError):
    """The state could not be read or written. Everything acknowledged earlier is still there."""

    code = "state"


class Busy(BatchtuiError):
    """Another batchtui process holds what is needed; trying again later is enough."""

    code = "busy"


class PollerStalled(BatchtuiError):
    """The process that polls, writes outputs or sends holds its place, but is stopped or hangs: others wait for it."""

    code = "poller_stalled"


class ServiceFailed(BatchtuiError):
    """The service manager could not be asked, or did not do what it was asked to."""

    code = "service_failed"


class OutputFailed(BatchtuiError):
    """The answers are here, but one of their outputs could not be written."""

    exit_code = SOME_FAILED
    code = "output_failed"


class RowsUnmatched(BatchtuiError):
    """Answers met no row of the user's table: they are here, but not applied."""

    exit_code = SOME_FAILED
    code = "rows_unmatched"


class Unanswered(BatchtuiError):
    """Requests did not succeed, so what depends on them was not sent."""

    exit_code = SOME_FAILED
    code = "unanswered"


class Unverified(BatchtuiError):
    """Downloaded results did not pass the check; there is no file under the final name."""

    code = "unverified"


class TimedOut(BatchtuiError):
    """It was waited for as long as was asked, and is not there yet. It goes on."""

    exit_code = TIMED_OUT
    code = "timed_out"


class Stopped(BatchtuiError):
    """The user stopped it before it was done; what was done by then is kept."""

    exit_code = INTERRUPTED
    code = "interrupted"


class NoKey(BatchtuiError):
    """The API key is missing, cannot be a key, or was refused by the API."""

    exit_code = NO_KEY
    code = "no_key"


class ApiError(BatchtuiError):
    """The API answered with an error. `status` is the HTTP status, None if there was none.

    `body` is the body of the answer, empty if there was none. It is untrusted and unchanged, except that the key is
    removed.
    """

    code = "api_error"

    status: int | None = None
    retry_after: float | None = None
    body: bytes = b""
    advice: str = ""
    """What to check between us and the API, whatever happens next; the hint begins with it."""

    by_api: bool = False
    """Whether the API itself said it, in its own error envelope, and not a proxy or a sign-in page in between."""

    def __init__(
        self, message: str, hint: str = "", *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.retry_after = retry_after

    def advising(self, advice: str) -> Self:
        """Puts what to check in front of the hint, and returns this error."""
        self.advice = advice
        return self.with_next(self.hint)

    def with_next(self, hint: str) -> Self:
        """Replaces the hint but for what to check, and returns this error."""
        return self.with_hint(f"{self.advice} {hint}".strip())


class Unreachable(ApiError):
    """No usable answer: offline, a timeout, an overloaded or failing server. It is right to try again later."""

    exit_code = UNREACHABLE
    code = "unreachable"


class NotFound(ApiError):
    """The API answered 404: unknown in this key's workspace, not yet known, or no longer known."""

    code = "not_found"


class NotSent(Unreachable):
    """A create whose complete body certainly never reached the server: it may be sent again."""


class OutcomeUnknown(ApiError):
    """A create that may or may not have been accepted: it must never be sent again blindly."""

    exit_code = NEEDS_PERSON
    code = "unknown_outcome"


_CODES = frozenset(
    one.code for one in tuple(vars().values()) if isinstance(one, type) and issubclass(one, BatchtuiError)
)
_EXIT_CODES = {
    one.code: one.exit_code for one in (OutputFailed, RowsUnmatched, Unanswered, NoKey, Unreachable, OutcomeUnknown)
}


def said_before(code: str, message: str, hint: str) -> BatchtuiError:
    """An error that was recorded by its code and is still true. Without a known code, it is a plain failure."""
    error = BatchtuiError(message, hint)
    error.code = code if code in _CODES else error.code
    error.exit_code = _EXIT_CODES.get(code, FAILED)
    return error
