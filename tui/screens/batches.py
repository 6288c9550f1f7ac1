"""The table of all batches: the first screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Static

from batchtui.core.batches import submissions
from batchtui.core.batches.batch import UNDER_WAY, Batch, Snapshot, State, Submission
from batchtui.core.text import inert_line, number, plural
from batchtui.tui.commands import Where, bindings, key_of
from batchtui.tui.screens.acting import Room
from batchtui.tui.session import Session
from batchtui.tui.tasks import TaskLine
from batchtui.widgets.batch_table import BatchTable
from batchtui.widgets.detail import BatchDetail
from batchtui.widgets.empty import Empty, no_batches, no_key, no_matches
from batchtui.widgets.filter_bar import FilterBar
from batchtui.widgets.line_table import LineTable
from batchtui.widgets.status_line import Status, StatusLine, needs_you

TICK = 1.0
"""Seconds between two repaints of the ages."""

_MOST_FIRST = frozenset({"requests", "errors", "took", "cost"})
"""Columns that sort largest first, because the largest values are the ones people look for."""


class BatchesScreen(Room):
    """Table, tasks under way, status line and footer; beside the table, if there is room, the details of one batch."""

    BINDINGS = bindings(Where.BATCHES)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._filter = ""
        self._counts = (0, 0, 0)

    def compose(self) -> ComposeResult:
        """Everything from top to bottom."""
        yield from super().compose()
        settings = self.session.desk.settings
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield BatchTable(ascii=settings.ascii, id="batches")
                yield Empty(id="empty")
            yield BatchDetail(ascii=settings.ascii, id="detail")
        yield FilterBar("name, id, state, model, or: needs you", id="filter")
        yield TaskLine(self.session.tasks)
        yield StatusLine(ascii=settings.ascii, id="status")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Shows the state that the app starts with, and starts the timer for the ages."""
        self.changed()
        self.query_one(BatchTable).focus()
        self.set_interval(TICK, self._tick)

    @property
    def table(self) -> BatchTable:
        """The table."""
        return self.query_one(BatchTable)

    @property
    def running(self) -> int:
        """How many rows are under way."""
        return self._counts[0]

    def chosen(self) -> list[Batch]:
        """The marked batches, or else the one under the cursor."""
        return self.table.selected()

    def changed(self) -> None:
        """Shows the state; repaints only the rows that differ."""
        now, shown = self.session.now(), self.rows()
        self.table.show(shown, now)
        self._go_to_wanted()
        self._counts = counts(shown.batches, now)
        self._show_detail()
        self.pulsed()

    def rows(self) -> Snapshot:
        """What the table shows. A submission of several batches is one row, which can be opened."""
        return submissions.rows(self.session.snapshot)

    def pulsed(self) -> None:
        """Shows who polls the API, when, and how well; without batches, also what that needs."""
        self._show_place()
        pulse = self.session.pulse
        running, needing, done = self._counts
        self.query_one(StatusLine).show(
            Status(
                running=running,
                needs_you=needing,
                done=done,
                looked_at=pulse.looked_at,
                next_at=pulse.next_at,
                polled_by=self.session.elsewhere,
                trouble=self.session.trouble,
            ),
            self.session.now(),
        )

    def _tick(self) -> None:
        self.table.tick(self.session.now())
        self._go_to_wanted()
        self._show_detail()
        self.pulsed()

    def _go_to_wanted(self) -> None:
        batch = self.session.batch(self.session.wanted) if self.session.wanted else None
        if batch:
            for key in (batch.ref, batch.submission):  # its own row, or the row that it is part of
                self.table.move_to(key)
            self.session.wanted = None

    def _show_place(self) -> None:
        """Shows the table, or a message if it is empty."""
        empty = self.query_one(Empty)
        self.set_class(self.table.total == 0, "-empty")
        if self.table.total == 0:
            settings = self.session.desk.settings
            new = key_of("new", settings.keys)
            empty.show(no_batches(new) if self.session.key else no_key(settings.key_variable, new))
        elif self.table.matching == 0:
            empty.show(no_matches(self._filter, self.table.total))
        empty.display = self.table.matching == 0
        found = f"{number(self.table.matching)} of {number(self.table.total)}" if self._filter else ""
        self.query_one(FilterBar).found(found)

    def _show_detail(self) -> None:
        detail = self.query_one(BatchDetail)
        batch = self.table.current
        detail.show(batch, self.session.now(), self.table.usual(batch) if batch else None)

    @on(LineTable.Highlighted)
    def _highlighted(self) -> None:
        self._show_detail()

    @on(LineTable.Opened)
    def action_open(self) -> None:
        """Opens the batch under the cursor."""
        batch = self.table.current
        if batch is not None and batch.is_whole:
            self.app.push_screen(PartsScreen(self.session, batch.ref))
        elif batch is not None:
            from batchtui.tui.screens.batch import BatchScreen  # imported late, as in `tui.app`

            self.app.push_screen(BatchScreen(self.session, batch.ref))

    def action_mark(self) -> None:
        """Marks the batch under the cursor and moves down."""
        self.table.action_mark()

    def action_filter(self) -> None:
        """Opens the filter."""
        self.query_one(FilterBar).open()

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self._filter = event.text
        self.table.filter(event.text)
        self._show_place()
        self._show_detail()

    @on(FilterBar.Closed)
    def _filter_closed(self, event: FilterBar.Closed) -> None:
        if not event.keep:
            self._filter_changed(FilterBar.Changed(""))
        self.table.focus()

    def action_clear(self) -> None:
        """Clears the filter first, then the marks."""
        if self._filter:
            self.query_one(FilterBar).clear()
        else:
            self.table.clear_marks()

    def action_sort(self) -> None:
        """Sorts by the next visible column; after the last one, newest first again."""
        keys: list[str | None] = [None, *self.table.shown_columns]
        now = self.table.sort_column
        after = (keys.index(now) + 1) % len(keys) if now in keys else 0
        self.table.sort(keys[after], reverse=keys[after] in _MOST_FIRST)

    def action_reverse(self) -> None:
        """Reverses the sort order."""
        self.table.sort(self.table.sort_column, reverse=not self.table.sort_reverse)

    @on(LineTable.SortRequested)
    def _sort_requested(self, event: LineTable.SortRequested) -> None:
        same = event.column_key == self.table.sort_column
        reverse = not self.table.sort_reverse if same else event.column_key in _MOST_FIRST
        self.table.sort(event.column_key, reverse=reverse)

    def action_copy(self) -> None:
        """Copies the id of the batch under the cursor."""
        batch = self.table.current
        if batch is not None:
            self.copy_text(batch.label)


class PartsScreen(BatchesScreen):
    """The batches of one submission, one per row. The screen closes if the submission is gone."""

    BINDINGS = bindings(Where.PARTS)

    def __init__(self, session: Session, submission: str) -> None:
        super().__init__(session)
        self._submission = submission

    def compose(self) -> ComposeResult:
        """The same, below a heading."""
        yield Static("", id="heading", classes="title", markup=False)
        yield from super().compose()

    def rows(self) -> Snapshot:
        """Its batches in the order they were sent."""
        snapshot = self.session.snapshot
        submission = snapshot.submissions.get(self._submission)
        ours = submissions.parts(snapshot, submission) if submission else ()
        return Snapshot(snapshot.revision, ours, snapshot.submissions)

    def changed(self) -> None:
        """Shows the batches as they are now, and what is still to come."""
        submission = self.session.snapshot.submissions.get(self._submission)
        if submission is None:
            if self.is_current:
                self.app.pop_screen()
            return
        self.query_one("#heading", Static).update(_heading(submission))
        super().changed()

    def action_back(self) -> None:
        """Clears the filter first; then goes back to the table of all batches."""
        if self._filter:
            self.action_clear()
        else:
            self.dismiss(None)


def _heading(submission: Submission) -> str:
    left = sum(part.requests for part in submission.waiting)
    said = [inert_line(submission.name, 80), plural(len(submission.batches), "batch", "batches")]
    if left:
        held = submission.stopped or submission.by_hand
        yet = "to be sent at once" if submission.urgent else "not sent yet"
        said.append(f"{plural(left, 'request')} {'left unsent' if held else yet}")
    said += [f"then {inert_line(step, 40)}" for step in submission.steps]
    trouble = submission.trouble
    return " · ".join(said) + (f"\n{inert_line(f'{trouble.message} {trouble.hint}'.rstrip())}" if trouble else "")


def counts(batches: Sequence[Batch], now: datetime) -> tuple[int, int, int]:
    """How many are under way, how many need the user, and how many are done."""
    running = needing = done = 0
    for batch in batches:
        if batch.state is State.RETRIEVED and batch.trouble is None:  # most batches of a long list
            done += 1
            continue
        moving = batch.state in UNDER_WAY or batch.state is State.SUBMITTING
        needy = needs_you(batch, now)
        running += moving
        needing += needy
        done += not moving and not needy
    return running, needing, done
