"""The table of results: rows are read from disk in a thread, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from textual import work
from textual.cache import LRUCache
from textual.message import Message
from textual.worker import Worker, WorkerState, get_current_worker

from batchtui.core.text import inert_line
from batchtui.widgets.columns import Column
from batchtui.widgets.line_table import Cells, LineTable

Head: TypeAlias = tuple[str, str, str]
"""custom_id, outcome, and the first line of the answer or the error. None of it is trusted."""

COLUMNS = (
    Column("custom_id", "custom_id", 20, flex=True, least=8),
    Column("outcome", "outcome", 11, least=9),
    Column("detail", "detail", 30, flex=True, least=10),
)

_TONES = {"answered": "good", "cut": "warn", "paused": "warn", "expired": "warn", "canceled": "dim"}
_WITH_TEXT = ("answered", "cut", "paused")


class ResultTable(LineTable):
    """Rows are keyed by their number, from "0". A row that is not read yet shows `…`."""

    class HeadsRead(Message):
        """Sent by the reader thread to the table itself."""

        def __init__(self, generation: int, heads: dict[int, Head]) -> None:
            super().__init__()
            self.generation = generation
            self.heads = heads

    def __init__(self, *, ascii: bool = False, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(COLUMNS, ascii=ascii, id=id, classes=classes)
        self._head: Callable[[int], Head] | None = None
        self._heads: LRUCache[int, Head] = LRUCache(4096)
        self._all: list[str] = []
        self._generation = 0
        self._asked = False

    def show(self, count: int, head: Callable[[int], Head]) -> None:
        """Shows `count` results. `head` is called in a worker thread, for the rows in view and one page either way."""
        self._generation += 1
        self._head = head
        self._heads.clear()
        self._forget_drawn()
        self._all = [str(index) for index in range(count)]
        self.set_rows(self._all, self._row_cells)

    def only(self, indices: Sequence[int] | None) -> None:
        """Shows only these results; None shows all of them."""
        self.set_rows(self._all if indices is None else [str(index) for index in indices], self._row_cells)

    @property
    def shown(self) -> list[int]:
        """The numbers of the results shown, in order."""
        return [int(key) for key in self._keys]

    @property
    def current(self) -> int | None:
        """The number of the result under the cursor."""
        return int(self.cursor_key) if self.cursor_key is not None else None

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Shows in the rows why they could not be read."""
        if event.state is WorkerState.ERROR:
            reason = inert_line(str(event.worker.error))
            for key in self.visible_keys:
                if int(key) not in self._heads:
                    self._heads.set(int(key), ("", "unreadable", reason))
                    self.refresh_row(key)

    def _row_cells(self, key: str) -> Cells:
        head = self._heads.get(int(key))
        if head is None:
            self._ask()
            return {"custom_id": (("…", "dim"),)}
        custom_id, outcome, detail = (inert_line(text) for text in head)
        return {
            "custom_id": ((custom_id, ""),),
            "outcome": ((outcome, _TONES.get(outcome, "bad")),),
            "detail": ((detail, "" if outcome in _WITH_TEXT else "bad"),),
        }

    def _ask(self) -> None:
        """Schedules one fetch for all the rows that a repaint finds missing."""
        if not self._asked:
            self._asked = True
            self.call_after_refresh(self._fetch)

    def _fetch(self) -> None:
        self._asked = False
        top, page = self._top, self._page
        near = [*range(top, top + page), *range(top + page, top + 2 * page), *range(max(top - page, 0), top)]
        indices = (int(self._keys[row]) for row in near if row < self.row_count)
        missing = [index for index in indices if index not in self._heads]
        if missing and self._head is not None:
            self._read(self._generation, missing, self._head)

    @work(thread=True, exclusive=True, group="heads", exit_on_error=False)
    def _read(self, generation: int, wanted: Sequence[int], head: Callable[[int], Head]) -> None:
        worker = get_current_worker()
        for start in range(0, len(wanted), 64):
            if worker.is_cancelled:
                return
            self.post_message(self.HeadsRead(generation, {index: head(index) for index in wanted[start : start + 64]}))

    def on_result_table_heads_read(self, message: HeadsRead) -> None:
        if message.generation == self._generation:
            for index, head in message.heads.items():
                self._heads.set(index, head)
                self.refresh_row(str(index))
