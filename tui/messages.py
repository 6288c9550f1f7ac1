"""What the loops and the tasks tell the app."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from textual.message import Message

from batchtui.core.batches.batch import Snapshot
from batchtui.core.state.poller import Poller
from batchtui.tui.tasks import Task


class Pulse(Struct, frozen=True):
    """How the looking at the API goes. `trouble` is why it does not, in words; `looking` while a look is under way.

    `key` is whether there is an API key: it may stand in a file, which no screen reads.
    """

    poller: Poller | None = None
    looked_at: datetime | None = None
    next_at: datetime | None = None
    paused: bool = False
    looking: bool = False
    key: bool = True
    trouble: str = ""


class BatchesChanged(Message):
    """The state changed, here or by another process."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        """Only the newest state counts."""
        return isinstance(message, BatchesChanged)


class PulseChanged(Message):
    """Who polls, when, or how well, changed."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self.pulse = pulse

    def can_replace(self, message: Message) -> bool:
        """Only the newest one counts."""
        return isinstance(message, PulseChanged)


class TaskStarted(Message):
    """Something that lasts began: `task.text` says what."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task


class TaskEnded(Message):
    """It is over: `text` says what came of it, or `error` why nothing did. `shown`: its form says the error itself."""

    def __init__(self, task: Task, text: str = "", error: Exception | None = None, *, shown: bool = False) -> None:
        super().__init__()
        self.task = task
        self.text = text
        self.error = error
        self.shown = shown


class Reported(Message):
    """Something for the activity log, and with `toast` for a toast too: not where a row shows it anyway."""

    def __init__(self, text: str, hint: str = "", *, bad: bool = False, toast: bool = False) -> None:
        super().__init__()
        self.text = text
        self.hint = hint
        self.bad = bad
        self.toast = toast
