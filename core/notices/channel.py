"""What a channel is: it is given an event, and either tells it or says why not."""

from __future__ import annotations

from threading import Event as Stop
from typing import Protocol

from batchtui.core.notices.journal import Line


class NotTold(Exception):
    """A channel did not take an event. The message says why, in words without secrets, for the log."""


class Channel(Protocol):
    """Called in a thread. It ends within its time limit, and soon after `stop` is set."""

    def __call__(self, line: Line, stop: Stop) -> None:
        """Tells one event. Raises NotTold."""
