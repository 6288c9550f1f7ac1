"""What every screen of one run shares: the desk, the clock, the state last seen, the tasks under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from msgspec import Struct
from textual.message import Message

from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch, Snapshot, Submission
from batchtui.core.batches.progress import usual
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError
from batchtui.core.logs import log
from batchtui.tui.messages import Pulse, Reported, TaskEnded, TaskStarted
from batchtui.tui.tasks import Kind, Task

T = TypeVar("T")

BROKE = "Something in batchtui broke."


class Entry(Struct, frozen=True):
    """One line of the activity log."""

    at: datetime
    text: str
    hint: str = ""
    bad: bool = False


class Session:
    """The desk, the clock, and what the screens show. `post` sends messages to the app."""

    def __init__(self, desk: Desk, clock: Callable[[], datetime], post: Callable[[Message], object]) -> None:
        self.desk = desk
        self._clock = clock
        self.snapshot = Snapshot()
        self.pulse = Pulse()
        self.tasks: dict[Task, None] = {}
        self.wanted: str | None = None
        """The ref of a batch that the cursor moves to once the table shows it."""
        self.activity: deque[Entry] = deque(maxlen=1000)
        self._post = post

    def now(self) -> datetime:
        """The time in the user's time zone, which all times are shown in."""
        return self._clock().astimezone()

    def batch(self, ref: str) -> Batch | None:
        """The batch as last seen; None if it is no longer there."""
        return next((batch for batch in self.snapshot.batches if batch.ref == ref), None)

    def each(self, rows: Sequence[Batch]) -> list[Batch]:
        """The batches that rows stand for; the row of a whole submission stands for all of its batches."""
        submissions = self.snapshot.submissions
        return [
            batch
            for row in rows
            for batch in (plan.members(self.snapshot, submissions[row.ref]) if row.ref in submissions else [row])
        ]

    def unsent(self, rows: Sequence[Batch], *, stopped: bool = False) -> list[Submission]:
        """The submissions of these rows that still have parts or steps to send; with `stopped`, stopped ones too."""
        found = map(self._whole, rows)
        return [one for one in found if one and (one.waiting or one.steps) and (stopped or not one.stopped)]

    def _whole(self, row: Batch) -> Submission | None:
        """The submission that a row stands for as a whole. The row of its only batch so far counts too."""
        submissions = self.snapshot.submissions
        submission = submissions.get(row.ref) or submissions.get(row.submission)
        alone = submission and len(submission.batches) + len(submission.waiting) == 1
        return submission if alone or row.ref in submissions else None

    def halted(self, batches: Sequence[Batch]) -> list[Batch]:
        """The batches of submissions that wait for a person: they have stopped, or answers met no row of a table."""
        waiting = {one.submission for one in self.snapshot.batches if any(out.unmatched for out in one.outputs)}
        for ref, whole in self.snapshot.submissions.items():
            if whole.stopped or any(one.unmatched for one in whole.outputs):
                waiting.add(ref)
        return [one for one in batches if one.submission in waiting]

    @property
    def trouble(self) -> str:
        """Why the API is not polled, or why polling fails; empty if all is well."""
        if self.pulse.trouble:
            return self.pulse.trouble
        if not self.key:
            return "no API key"
        return "polling is paused" if self.pulse.paused and not self.elsewhere else ""

    @property
    def key(self) -> bool:
        """Whether the last check found an API key."""
        return self.pulse.key

    @property
    def elsewhere(self) -> str:
        """Which other process polls, in words; empty if none does."""
        poller = self.pulse.poller
        return poller.words() if poller and not poller.ours else ""

    def usual(self, batch: Batch) -> timedelta | None:
        """How long similar batches took before."""
        return usual(self.snapshot.batches, batch)

    def say(self, text: str, hint: str = "", *, bad: bool = False) -> None:
        """Shows the user a toast, and adds a line to the activity log."""
        self._post(Reported(text, hint, bad=bad, toast=True))

    def note(self, text: str, hint: str = "", *, bad: bool = False) -> None:
        """Adds a line to the activity log, newest first."""
        self.activity.appendleft(Entry(self.now(), text, hint, bad))

    async def run(
        self, task: Task, work: Awaitable[T], ended: Callable[[T], str], *, shown: bool = False
    ) -> T | BatchtuiError:
        """Runs a task, and posts when it begins and how it ends. Returns its result, or the error.

        `shown` means that a form shows the error, so that no toast is needed.
        """
        self.tasks[task] = None
        self._post(TaskStarted(task))
        try:
            result = await work
        except BatchtuiError as error:
            self._post(TaskEnded(task, error=error, shown=shown))
            return error
        except Exception as error:  # noqa: BLE001 - a task that breaks must not end the app
            log.exception("%s", task.text)
            broken = broke(error, self.desk)
            self._post(TaskEnded(task, error=broken, shown=shown))
            return broken
        finally:
            self.tasks.pop(task, None)
        self._post(TaskEnded(task, ended(result)))
        return result

    def under_way(self, *kinds: Kind) -> list[Task]:
        """The tasks of these kinds that quitting would cut off."""
        return [task for task in tuple(self.tasks) if task.kind in kinds]  # a download's thread may add one


def broke(error: Exception, desk: Desk) -> BatchtuiError:
    """A bug in words: its type, and where the details are. Its text may hold anything, so it is left out."""
    return BatchtuiError(f"{BROKE} ({type(error).__name__})", f"The details are in {desk.paths.log_file}")
