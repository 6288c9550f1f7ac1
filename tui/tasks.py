"""The tasks under way in this process, each with its real progress."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from textual.widgets import Static

from batchtui.core.text import inert_line, number, size


class Kind(StrEnum):
    """What a task does. This decides what quitting would cost."""

    SUBMIT = "submit"
    RETRIEVE = "retrieve"
    EXPORT = "export"
    LOOK = "look"
    OTHER = "other"


@dataclass(eq=False)
class Task:
    """One task under way: `text` says what it does, `ref` to which batch. `done` and `total` are bytes, or rows."""

    kind: Kind
    text: str
    ref: str = ""
    done: int = 0
    total: int | None = None

    def report(self, done: int, total: int | None) -> None:
        """Records the progress. Called from worker threads; the display reads it on a timer."""
        self.done, self.total = done, total

    @property
    def words(self) -> str:
        """`62% · 93.1 MB of 150.6 MB`; empty until there is progress."""
        if not self.done and not self.total:
            return ""
        amount = number if self.kind in (Kind.EXPORT, Kind.LOOK) else size
        if not self.total:
            return amount(self.done)
        return f"{min(self.done * 100 // self.total, 100)}% · {amount(self.done)} of {amount(self.total)}"


class TaskLine(Static):
    """One line for the tasks under way; hidden if there are none."""

    def __init__(self, tasks: dict[Task, None]) -> None:
        super().__init__("", markup=False, id="tasks")
        self._tasks = tasks
        self.display = False

    def on_mount(self) -> None:
        """Starts following the tasks."""
        self.set_interval(0.25, self.follow)

    def follow(self) -> None:
        """Shows the tasks as they are now."""
        tasks = tuple(self._tasks)
        self.display = bool(tasks)
        if tasks:
            more = f"  (+{len(tasks) - 1} more)" if len(tasks) > 1 else ""
            self.update(inert_line(f"{tasks[0].text} {tasks[0].words}") + more)
