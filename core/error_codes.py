"""Every exit code and every error code, with its meaning: what scripts can rely on. Pure."""

from __future__ import annotations

from batchtui.core import errors
from batchtui.core.errors import BatchtuiError

EXIT_CODES = {
    errors.OK: "success",
    errors.FAILED: "failed",
    errors.USAGE: "the command was not understood",
    errors.SOME_FAILED: "done, but some requests have no usable answer, or answers did not reach their place",
    errors.UNREACHABLE: "the API could not be reached",
    errors.NO_KEY: "no API key, or the key was refused",
    errors.NEEDS_PERSON: "it is not known whether a batch was accepted: see the hint",
    errors.ALREADY_SENT: "the same rows were sent before: nothing was sent",
    errors.TIMED_OUT: "`wait` timed out: the batches go on",
    errors.INTERRUPTED: "interrupted",
}
"""What each exit code of a command means."""


def _codes() -> dict[str, type[BatchtuiError]]:
    """The error codes, each with the most general class that has it. Every code has one in `core.errors`.

    What is no failure, such as `NothingNew`, is no error in JSON.
    """
    found: dict[str, type[BatchtuiError]] = {}
    for one in vars(errors).values():
        if isinstance(one, type) and issubclass(one, BatchtuiError) and one.exit_code != errors.OK:
            found.setdefault(one.code, one)
    return found


def _meaning(kind: type[BatchtuiError]) -> str:
    """The first sentences of its docstring, up to what they say of its fields."""
    first = " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
    return first.partition(" `")[0]


ERROR_CODES = {code: _meaning(kind) for code, kind in _codes().items()}
"""What each `code` of an error in JSON means."""

EXIT_CODE_OF = {code: kind.exit_code for code, kind in _codes().items()}
"""The exit code of a command that fails with this error alone."""
