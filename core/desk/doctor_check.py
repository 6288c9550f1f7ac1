"""What one check of `doctor` found, and what a doctor is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from batchtui.core import errors
from batchtui.core.errors import BatchtuiError
from batchtui.core.settings import Settings

_SHOWN = 3


class Check(Struct, frozen=True):
    """A check by name. If it is not `ok`, `hint` says what to do, and `exit_code` is that of such an error.

    One that is not `known` could not be made, or was not asked for.
    """

    name: str
    message: str
    hint: str = ""
    ok: bool = True
    exit_code: int = errors.OK
    known: bool = True


class Trouble(NamedTuple):
    """One thing that is wrong, and what to do about it."""

    message: str
    hint: str
    exit_code: int = errors.FAILED


class Asking(Struct, frozen=True):
    """What the checks look at, apart from files: this process's environment and folder, the settings, the clock."""

    environment: Mapping[str, str]
    folder: Path
    settings: Settings
    clock: Callable[[], datetime]
    offline: bool = False
    key_file: Path | None = None


def well(name: str, message: str) -> Check:
    return Check(name, message)


def wrong(name: str, message: str, hint: str, exit_code: int = errors.FAILED) -> Check:
    return Check(name, message, hint, ok=False, exit_code=exit_code)


def failed(name: str, error: BatchtuiError) -> Check:
    """A check that found an error of ours."""
    return wrong(name, error.message, error.hint, error.exit_code or errors.FAILED)


def not_known(name: str, message: str, hint: str = "", exit_code: int = errors.FAILED) -> Check:
    """A check that something wrong elsewhere kept from being made."""
    return Check(name, message, hint, ok=False, exit_code=exit_code, known=False)


def not_asked(name: str, message: str) -> Check:
    """A check that nobody wanted, or that finds nothing to look at."""
    return Check(name, message, known=False)


def summed(name: str, troubles: Sequence[Trouble], fine: str) -> Check:
    """One check for many things: all is fine, or what is wrong, the first few of it in words."""
    if not troubles:
        return well(name, fine)
    shown = troubles[:_SHOWN]
    more = [f"And {len(troubles) - _SHOWN} more."] if len(troubles) > _SHOWN else []
    hints = dict.fromkeys(one.hint for one in shown if one.hint)
    return wrong(
        name,
        " ".join([*(one.message for one in shown), *more]),
        " ".join(one if one.endswith(".") else f"{one};" for one in hints).removesuffix(";"),
        worst([one.exit_code for one in troubles]),
    )


_WORST_FIRST = (
    errors.NO_KEY,
    errors.UNREACHABLE,
    errors.NEEDS_PERSON,
    errors.FAILED,
    errors.SOME_FAILED,
)
"""As for `--once`: what keeps everything else from working comes first."""


def worst(codes: Sequence[int]) -> int:
    """The exit code for the worst of several."""
    return next((code for code in _WORST_FIRST if code in codes), errors.FAILED if any(codes) else errors.OK)
