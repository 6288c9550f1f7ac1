"""Finds what cannot be in a record of the state: somebody edited the file, or a tool damaged it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from msgspec import Raw, Struct
from msgspec.structs import asdict

from batchtui.core.batches.batch import Batch, Submission

_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")
"""What refs and ids are made of: they become parts of paths, and must lead nowhere else."""

_ODD_YEAR = re.compile(rb"T(?<=\d{4}-\d\d-\d\dT)(?<!20\d\d-\d\d-\d\dT)")
"""The T is what it looks for first: a record has few of them, and each opening of a large state reads every record."""
_ODD_NUMBER = re.compile(rb":(-|\d{13})")
_MOST = 1 << 40


def flaw(record: Batch | Submission, raw: Raw) -> str:
    """What is wrong with a record that has the right types, such as `created_at is in the year 1`; else empty."""
    for name, word in (("ref", record.ref), ("id", getattr(record, "id", None))):
        if word is not None and not _NAME.fullmatch(word):
            return f"{name} cannot be a name of ours"
    data = bytes(raw)
    if not _ODD_YEAR.search(data) and not _ODD_NUMBER.search(data.replace(b" ", b"")):
        return ""
    return next((f"{name} {said}" for name, value in asdict(record).items() if (said := _odd(value))), "")


def _odd(value: Any) -> str:
    """Amounts of money may be anything: they are only shown and compared."""
    if isinstance(value, datetime) and not 2000 <= value.year < 3000:  # 2000: `NOTHING_LISTED`
        return f"is in the year {value.year}"
    if isinstance(value, int) and not 0 <= value < _MOST:
        return "is out of range"
    if isinstance(value, Struct):
        value = tuple(asdict(value).values())
    if isinstance(value, tuple):
        return next((said for one in value if (said := _odd(one))), "")
    return ""
