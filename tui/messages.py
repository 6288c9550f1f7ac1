"""Messages from the loops and the tasks to the app."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from textual.message import Message

from batchtui.core.batches.batch import Snapshot
from batchtui.core.state.poller import Poller
from batchtui.tui.attention import Call
from batchtui.tui.tasks import Task


class Pulse(Struct, frozen=True):
    """How polling is going. `trouble` is why it fails, in words; `looking` is true during a poll.

    `key` is whether there is an API key: it may be in a file, which no screen reads.
    """

    poller: Poller | None = None
    looked_at: datetime | None = None
    next_at: datetime | None = None
    paused: bool = False
    looking: bool = False
    key: bool = True
    trouble: str = ""


class BatchesChanged(Message):
    """The state was changed, by this process or by another."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        """Only the newest state counts."""
        return isinstance(message, BatchesChanged)


class PulseChanged(Message):
    """Who polls, when, or how well has changed."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self.pulse = pulse

    def can_replace(self, message: Message) -> bool:
        """Only the newest one counts."""
        return isinstance(message, PulseChanged)


class Called(Message):
    """Something ended, or waits for the user, who may be looking elsewhere."""

    def __init__(self, calls: Sequence[Call]) -> None:
        super().__init__()
        self.calls = calls


class TaskStarted(Message):
    """A task has started: `task.text` says what it does."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task


class TaskEnded(Message):
    """A task has ended: `text` says how, or `error` why it failed. `shown`: its form already shows the error."""

    def __init__(self, task: Task, text: str = "", error: Exception | None = None, *, shown: bool = False) -> None:
        super().__init__()
        self.task = task
        self.text = text
        self.error = error
        self.shown = shown


class Reported(Message):
    """An entry for the activity log. `toast` also shows it as a toast; not needed if a row shows it anyway."""

    def __init__(self, text: str, hint: str = "", *, bad: bool = False, toast: bool = False) -> None:
        super().__init__()
        self.text = text
        self.hint = hint
        self.bad = bad
        self.toast = toast
