"""How far each channel has come in the journal, and what is decided from that: pure but for the file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from batchtui.core.clock import Time
from batchtui.core.files import replacing
from batchtui.core.notices.journal import Line

GIVEN_UP_AFTER = timedelta(days=1)
"""How long after it was found an event is still tried, if the channel fails."""

TRIES = 5
"""How often an event is tried at least, however late it is."""

_FIRST_REST = timedelta(seconds=30)
_LONGEST_REST = timedelta(hours=1)


class Standing(Struct, frozen=True, omit_defaults=True):
    """A channel has had every line up to `seq`, but for those in `waiting`, which failed so many times.

    `since` is when it began to fail; None once nothing waits. After `failures` rounds in which nothing got through, it
    rests until `next_at`.
    """

    seq: int
    waiting: dict[int, int] = {}
    since: Time | None = None
    failures: Annotated[int, Meta(ge=0)] = 0
    next_at: Time | None = None

    def rests(self, now: datetime) -> bool:
        """Whether it is left alone for now. A clock that was set back does not prolong that."""
        return self.next_at is not None and now < self.next_at < now + 2 * _LONGEST_REST

    def due(self, line: Line) -> bool:
        """Whether it has not had this line."""
        return line.seq > self.seq or line.seq in self.waiting

    def had(self, line: Line) -> Standing:
        """After a line was told, or is of no interest, or was given up."""
        waiting = {seq: tries for seq, tries in self.waiting.items() if seq != line.seq}
        return replace(self, seq=max(self.seq, line.seq), waiting=waiting, since=self.since if waiting else None)

    def failed(self, line: Line, now: datetime) -> Standing:
        """After a line could not be told."""
        waiting = {**self.waiting, line.seq: self.waiting.get(line.seq, 0) + 1}
        return replace(self, seq=max(self.seq, line.seq), waiting=waiting, since=self.since or now)

    def gives_up(self, line: Line, now: datetime) -> bool:
        """Whether a line is not tried any more."""
        return self.waiting.get(line.seq, 0) >= TRIES and now - line.seen > GIVEN_UP_AFTER

    def after_round(self, told: int, failed: int, now: datetime) -> Standing:
        """At the end of a round with so many lines told and failed: it rests ever longer while nothing gets through."""
        if told or not failed:
            return replace(self, failures=0, next_at=None)
        rest = min(_FIRST_REST * 2 ** min(self.failures, 10), _LONGEST_REST)
        return replace(self, failures=self.failures + 1, next_at=now + rest)


def read(path: Path) -> dict[str, Standing]:
    """How far the channels have come, by name; empty if that is not known."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Standing])
    except (OSError, ValueError, RecursionError):
        return {}


def write(path: Path, standings: Mapping[str, Standing]) -> None:
    """Keeps how far they have come. Raises OSError."""
    with replacing(path) as file:
        file.write(msgspec.json.encode(standings))


def forget(path: Path) -> None:
    """Nobody is told any more: whoever is told later is told of what happens from then on."""
    path.unlink(missing_ok=True)
