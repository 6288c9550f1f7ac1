"""Tells a process that polls from one that only holds the place: it is stopped, or it hangs."""

from __future__ import annotations

from datetime import datetime, timedelta

from batchtui.core.errors import PollerStalled
from batchtui.core.state.poller import BEAT, Poller

SILENT = 3 * BEAT
"""Seconds without a sign of life after which a process is stopped or hangs."""

SILENT_ELSEWHERE = 120.0
"""The same for another host, while its look is not long overdue: a shared folder may show file times a minute late."""

_LATE = timedelta(seconds=5)
_LONG_LATE = timedelta(minutes=10)


class Silence:
    """How long the polling process has given no sign of life, as far as this process has seen.

    Only time in which this process looked counts: whoever was asleep has heard nothing and knows nothing.
    """

    def __init__(self) -> None:
        self._beat = 0
        self._heard = self._listened = float("-inf")

    def seconds(self, beat: int, at: float) -> float:
        """Seconds without a sign of life. `beat` is the last one seen, `at` the monotonic time of this look."""
        if beat != self._beat or at - self._listened > SILENT:
            self._beat, self._heard = beat, at
        self._listened = at
        return at - self._heard


def stalled(poller: Poller | None, silent: float, now: datetime, *, asked: bool = False) -> PollerStalled | None:
    """The error for another process that holds the place and gave no sign of life for `silent` seconds.

    Without `asked`, it must be overdue as well; with it, it was asked to look and has not done so.
    """
    if poller is None or poller.ours:
        return None
    late = poller.overdue(now)
    if not asked and late < _LATE:
        return None
    if silent < (SILENT if poller.here or late > _LONG_LATE else SILENT_ELSEWHERE):
        return None
    on = f" {poller.pid}" if poller.here and poller.pid else ""
    return PollerStalled(
        f"{poller.words()} polls for this state, but does not answer: nobody looks at the batches.",
        f"If it is stopped, let it go on (kill -CONT{on}), or end it (kill -KILL{on}); another one takes its place.",
    )
