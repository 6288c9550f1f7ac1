"""What is remembered of the looks so far, beside the state: when the next is due, and since when they fail.

It survives the process, so that one that starts again and again does not look each time, and says what is wrong once.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from batchtui.core.clock import Time
from batchtui.core.files import replacing
from batchtui.core.paths import Paths

CREDIT = 24.0
"""How many looks may be saved up, and are before the first."""


class Outage(Struct, frozen=True, kw_only=True):
    """Looks that fail one after the other: `looks` of them since `since`. `code` is that of the error, `message` the
    first one's words. Once `over`, it is kept to tell whether the next one is news."""

    code: str
    message: str
    since: Time
    looks: int = 1
    over: bool = False


class Looks(Struct, frozen=True, kw_only=True):
    """`looked_at` is the last look that worked, `tried_at` the last one at all, `next_at` when the next is due.
    `credit` is how many looks are saved up (see `desk.cadence`)."""

    looked_at: Time | None = None
    tried_at: Time | None = None
    next_at: Time | None = None
    credit: float = CREDIT
    outage: Outage | None = None

    def due_in(self, now: datetime, most: float) -> float:
        """Seconds until the next look is due, for a process that begins to poll; 0 if it is, or if a clock was set."""
        if self.next_at is None or self.tried_at is None or self.tried_at > now:
            return 0.0
        left = (self.next_at - now).total_seconds()
        return left if 0.0 < left <= most else 0.0

    def since_last(self, now: datetime) -> timedelta | None:
        return now - self.tried_at if self.tried_at else None


def read_looks(paths: Paths) -> Looks:
    """What is remembered; nothing if there is no such file, or it cannot be read."""
    with suppress(OSError, ValueError, RecursionError):
        return msgspec.json.decode(paths.looks.read_bytes(), type=Looks)
    return Looks()


def write_looks(paths: Paths, looks: Looks) -> bool:
    """Keeps it. Whether that was possible: if not, that is not worth stopping a look for."""
    try:
        with replacing(paths.looks) as file:
            file.write(msgspec.json.encode(looks))
    except OSError:
        return False
    return True
