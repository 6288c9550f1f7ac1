"""The pace of one process: how long it waits after each look, and what the log says about looks that fail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import uniform

from msgspec.structs import replace

from batchtui.core.batches import deadline
from batchtui.core.batches.batch import Snapshot
from batchtui.core.desk import cadence, outages
from batchtui.core.errors import BatchtuiError, NoKey, Unreachable
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.state.looks import Looks, Outage, read_looks, write_looks

REFUSED = 900.0
"""Seconds between two looks with a key that the API refuses: it is up to a person, and the API counts such calls."""

LONGEST_PAUSE = 600.0
"""The most seconds between two looks while the API cannot be reached, unless it asks for more."""

_FIRST_PAUSE = 5.0
_CLOCK = timedelta(minutes=1)


class Pace:
    """Remembers across processes when the next look is due. Reads and writes a file: `begin` and `note` belong on the
    disk thread."""

    def __init__(
        self,
        paths: Paths,
        clock: Callable[[], datetime],
        interval: float | None,
        jitter: Callable[..., float] = uniform,
    ) -> None:
        self.interval = interval
        self._paths = paths
        self._clock = clock
        self._jitter = jitter
        self._looks = Looks()
        self._kept = True
        self._failures = 0
        self._pause = _FIRST_PAUSE
        self._ahead = timedelta()

    @property
    def outage(self) -> Outage | None:
        """The looks that fail at the moment; None if the last one worked."""
        outage = self._looks.outage
        return None if outage is None or outage.over else outage

    def begin(self, now: datetime) -> float:
        """Takes over from the process that polled before. Returns the seconds until the next look is due: at once if a
        key was refused, since it may be another one now."""
        self._looks = read_looks(self._paths)
        if self.outage and self.outage.code == NoKey.code:
            return 0.0
        most = cadence.LONGEST if self.interval is None else self.interval
        return self._looks.due_in(now, most)

    def forget_failures(self) -> None:
        """Lets the next pause be a short one: the machine was asleep, and what failed before says nothing."""
        self._failures = 0

    def api_clock(self, server_time: datetime | None) -> None:
        """Takes note of the API's Date, just now: how long batches have run is told by its clock, not by ours."""
        ahead = server_time - self._clock() if server_time else timedelta()
        self._ahead = ahead if abs(ahead) > _CLOCK else timedelta()

    def delay(self, snapshot: Snapshot, calls: int, blocked: BatchtuiError | None) -> float:
        """Seconds until the next look, after one that made so many calls; `blocked` is why it failed. Sooner
        if a deadline is near."""
        if isinstance(blocked, NoKey) and calls:
            return max(REFUSED, self.interval or 0.0)
        if isinstance(blocked, Unreachable) and blocked.retry_after is not None:
            return max(blocked.retry_after, 1.0)
        if blocked:
            return self._pause if self.interval is None else self.interval
        now, usual = self._clock() + self._ahead, self.interval
        if usual is None:
            usual = cadence.next_look(snapshot, self._looks.credit, now)
        due = deadline.seconds_to_next(snapshot, now)
        return usual if due is None else min(usual, max(due, 1.0) if due else cadence.SOONEST)

    def note(self, snapshot: Snapshot, calls: int, blocked: BatchtuiError | None) -> datetime:
        """Remembers how a look went, and says in the log what is new about that. Returns when the next is due."""
        now = self._clock()
        looks = read_looks(self._paths) if self._kept else self._looks  # on a full disk, nothing can be kept
        outage: Outage | None
        if calls or blocked:
            since = looks.since_last(now)
            seconds = since.total_seconds() if since is not None else cadence.PER_LOOK
            looks = replace(looks, tried_at=now, credit=cadence.after_look(looks.credit, seconds))
        if blocked:
            self._failures += 1
            longest = min(_FIRST_PAUSE * 2.0 ** min(self._failures, 12), LONGEST_PAUSE)
            self._pause = self._jitter(0.75 * longest, longest)
            outage, line = outages.failed(looks.outage, blocked, now)
        else:
            self._failures = 0
            outage, line = outages.worked(looks.outage, now) if calls else (looks.outage, None)
            looks = replace(looks, looked_at=now if calls else looks.looked_at)
        if line:
            log.log(line.level, "%s", line.text)
        self._looks = replace(looks, outage=outage)
        next_at = now + timedelta(seconds=self.delay(snapshot, calls, blocked))
        self._looks = replace(self._looks, next_at=next_at)
        self._kept = write_looks(self._paths, self._looks)
        return next_at
