"""The table of batches: shows a snapshot, and redraws only what a later snapshot changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from textual.binding import Binding, BindingType

from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Snapshot
from batchtui.core.batches.progress import usual
from batchtui.widgets.batch_cells import COLUMNS, cells, haystack, in_order
from batchtui.widgets.line_table import Cells, LineTable
from batchtui.widgets.status_line import needs_you

_ALL_AGAIN = timedelta(seconds=30)
"""How often rows that do not change by the second are redrawn, to update their time left."""

_FRESH = timedelta(minutes=2)
"""Rows of newly sent batches are redrawn every tick: their age is shown in seconds for a minute."""


class BatchTable(LineTable):
    """Rows are keyed by `ref`, newest first unless sorted by a column."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "mark", "Mark", show=False, id="mark")]

    def __init__(self, *, ascii: bool = False, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(COLUMNS, ascii=ascii, id=id, classes=classes)
        self._batches: dict[str, Batch] = {}
        self._needle = ""
        self._haystacks: dict[str, str] = {}
        self._now = datetime.min.replace(tzinfo=UTC)
        self._drawn_at = self._now
        self._usual: dict[tuple[tuple[str, ...], int], timedelta | None] = {}

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """Shows a snapshot; batches equal to those in the last one are not redrawn."""
        before, self._batches = self._batches, {batch.ref: batch for batch in snapshot.batches}
        self._now = now
        changed = [
            batch
            for batch in snapshot.batches
            if (known := before.get(batch.ref)) is not batch and known != batch  # mostly the same objects
        ]
        if any(batch.ended_at for batch in changed) or len(before) > len(self._batches):
            self._usual.clear()
        for batch in changed:
            self._haystacks.pop(batch.ref, None)
        self.marked &= self._batches.keys()
        self._arrange()
        self.refresh_rows(batch.ref for batch in changed)

    def filter(self, text: str) -> None:
        """Shows only batches whose name, id, state or models contain every word; `needs you` matches those that do."""
        self._needle = text.casefold()
        self._arrange()

    def sort(self, column_key: str | None, *, reverse: bool = False) -> None:
        """Sorts by a column; None means newest first."""
        self.sort_column, self.sort_reverse = column_key, reverse
        self._arrange()

    def tick(self, now: datetime) -> None:
        """Redraws the visible rows that change by the second: running batches and those just sent."""
        self._now = now
        if now - self._drawn_at >= _ALL_AGAIN:
            self._drawn_at = now
            self.refresh_rows()
            return
        self.refresh_rows([ref for ref in self.visible_keys if self._moves(self._batches[ref])])

    def _moves(self, batch: Batch) -> bool:
        return batch.state in UNDER_WAY | UNSETTLED or self._now - batch.submitted_at < _FRESH

    @property
    def current(self) -> Batch | None:
        """The batch under the cursor."""
        return self._batches.get(self.cursor_key or "")

    def selected(self) -> list[Batch]:
        """The marked batches that match the filter, in the order shown; if there are none, the current one."""
        marked = [self._batches[ref] for ref in self._keys if ref in self.marked] if self.marked else []
        return marked or ([self.current] if self.current else [])

    @property
    def matching(self) -> int:
        """How many batches match the filter."""
        return self.row_count

    @property
    def total(self) -> int:
        """How many batches there are."""
        return len(self._batches)

    def usual(self, batch: Batch) -> timedelta | None:
        """How long such batches usually take, computed once per combination of models and rough size."""
        group = (batch.models, batch.requests.bit_length())
        if group not in self._usual:
            self._usual[group] = usual(self._batches.values(), batch)
        return self._usual[group]

    def _arrange(self) -> None:
        batches = list(self._batches.values())
        if self._needle:
            words = self._needle.split()
            batches = [batch for batch in batches if all(word in self._haystack(batch) for word in words)]
        if self.sort_column is not None:
            batches = in_order(batches, self.sort_column, self._now, reverse=self.sort_reverse)
        elif self.sort_reverse:
            batches.reverse()
        self.set_rows([batch.ref for batch in batches], self._row_cells)

    def _haystack(self, batch: Batch) -> str:
        found = self._haystacks.get(batch.ref)
        if found is None:
            found = self._haystacks[batch.ref] = haystack(batch)
        return f"{found}\nneeds you" if needs_you(batch, self._now) else found  # matches the mark on the row

    def _row_cells(self, ref: str) -> Cells:
        batch = self._batches[ref]
        expected = self.usual(batch) if batch.state in UNDER_WAY else None
        return cells(batch, self._now, expected, self.width_of("progress"), self.ascii)
