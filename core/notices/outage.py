"""What keeps every batch from being looked at: a key that is refused, or an API that is out of reach for long.

No batch has that trouble, so no record of the state can say that it was told. A file of its own does, while it lasts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from batchtui.core.batches.event import Event
from batchtui.core.clock import Time
from batchtui.core.errors import BatchtuiError, NoKey, Unreachable
from batchtui.core.event_names import EventName
from batchtui.core.files import replacing

LONG = timedelta(hours=1)
"""How long the API must be out of reach before that is an event: most such times pass by themselves."""


class Outage(Struct, frozen=True):
    """It began at `since`; `told` once its event is recorded."""

    code: str
    since: Time
    told: bool = False


def follow(outage: Outage | None, blocked: BatchtuiError | None, now: datetime) -> Outage | None:
    """The outage after a look that was `blocked`, or that went well; None if there is none."""
    if blocked is None:
        return None
    return outage if outage and outage.code == blocked.code else Outage(blocked.code, now)


def event_of(outage: Outage, blocked: BatchtuiError, now: datetime) -> Event | None:
    """Its event, if it is worth telling and was not told."""
    waits = LONG if blocked.code == Unreachable.code else timedelta()
    if outage.told or now - outage.since < waits:
        return None
    return Event(
        id=f"api-{EventName.TROUBLE}-{outage.code}-{outage.since:%Y%m%dT%H%M%S}",
        at=outage.since,
        event=EventName.TROUBLE,
        batch=None,
        code=blocked.code,
        message=blocked.message,
        hint=blocked.hint,
    )


def matters(blocked: BatchtuiError | None) -> bool:
    """Whether it is an outage at all: other faults of a look are in the log."""
    return isinstance(blocked, NoKey | Unreachable)


def read(path: Path) -> Outage | None:
    """The outage that lasts, as far as it is known."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Outage)
    except (OSError, ValueError, RecursionError):
        return None


def write(path: Path, outage: Outage | None) -> None:
    """Keeps it, or forgets it once it is over. Raises OSError."""
    if outage is None:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as file:
        file.write(msgspec.json.encode(outage))
