"""Everything known about one batch, and its results once they are here."""

from __future__ import annotations

import asyncio
import threading

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Footer, Static

from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.submissions import whole_of
from batchtui.core.errors import BatchtuiError
from batchtui.core.results.result_file import Results
from batchtui.core.results.search import matching
from batchtui.core.results.summary import Summary
from batchtui.core.text import inert_line, number, plural, size
from batchtui.tui.commands import Where, bindings
from batchtui.tui.screens.acting import Room
from batchtui.tui.screens.answer import AnswerScreen
from batchtui.tui.session import Session
from batchtui.tui.tasks import Kind, Task, TaskLine
from batchtui.widgets.detail import BatchDetail
from batchtui.widgets.filter_bar import FilterBar
from batchtui.widgets.line_table import LineTable
from batchtui.widgets.result_table import ResultTable

PAUSE = 0.25
"""Seconds without typing before the results are searched."""


class BatchScreen(Room):
    """The detail above, the results below. If the batch is forgotten, the screen closes."""

    BINDINGS = bindings(Where.BATCH)

    def __init__(self, session: Session, ref: str) -> None:
        super().__init__(session)
        self._ref = ref
        self._results: Results | None = None
        self._facts: tuple[tuple[str, str], ...] = ()
        self._filter = ""
        self._found: int | None = None

    def compose(self) -> ComposeResult:
        """Name, detail, results, tasks under way, footer."""
        yield from super().compose()
        settings = self.session.desk.settings
        with Vertical(id="body"):
            yield Static("", id="heading", classes="title", markup=False)
            yield BatchDetail(ascii=settings.ascii, id="detail")
            yield ResultTable(ascii=settings.ascii, id="results")
        yield FilterBar("id, type, or words from the first line, e.g. errored", id="filter")
        yield TaskLine(self.session.tasks)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Shows what is known now."""
        self.query_one(ResultTable).display = False
        self.query_one(BatchDetail).focus()
        self.changed()
        self.set_interval(1.0, self._show)

    def on_unmount(self) -> None:
        """Closes the results file."""
        if self._results is not None:
            self._results.close()

    def chosen(self) -> list[Batch]:
        """This batch."""
        batch = self.session.batch(self._ref)
        return [batch] if batch else []

    def changed(self) -> None:
        """Shows the batch as it is now, and its results as soon as they are here."""
        batch = self.session.batch(self._ref)
        if batch is None:
            if self.is_current:
                self.app.pop_screen()
            return
        self._show()
        if batch.state is State.RETRIEVED and self._results is None:
            self._load(batch)

    def _show(self) -> None:
        batch = self.session.batch(self._ref)
        if batch is not None:
            said = inert_line(batch.name, 200)
            if self._found is not None and self._results is not None:
                said += f"  ·  {number(self._found)} of {plural(len(self._results), 'result')} shown"
            self.query_one("#heading", Static).update(said)
            told = whole_of(self.session.snapshot, batch)
            self.query_one(BatchDetail).show(told, self.session.now(), self.session.usual(batch), self._facts)

    @work(exclusive=True, group="results", exit_on_error=False)
    async def _load(self, batch: Batch) -> None:
        """Opens the results and their summary."""
        try:
            summary = await self.session.desk.summary(batch)
            results = await self.session.desk.results(batch)
        except BatchtuiError as error:
            self.session.say(error.message, error.hint, bad=True)
            return
        self._facts = facts(summary) if summary else ()
        self._results = results
        table = self.query_one(ResultTable)
        table.display = True
        self.add_class("-results")
        table.show(len(results), lambda index: _head(results, index))
        table.focus()
        self._show()

    @on(LineTable.Opened)
    def action_open(self) -> None:
        """Shows the full answer under the cursor."""
        table = self.query_one(ResultTable)
        if self._results is None:
            self.session.say("Its results are not on this machine yet.")
        elif table.current is not None:
            shown = table.shown
            at = shown.index(table.current)
            self.app.push_screen(
                AnswerScreen(self.session, self._results, shown, at, lambda index: table.move_to(str(index)))
            )

    def action_filter(self) -> None:
        """Opens the filter for the results."""
        if self._results is None:
            self.session.say("Its results are not on this machine yet: there is nothing to filter.")
        else:
            self.query_one(FilterBar).open()

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self._filter = event.text
        self._look(event.text.casefold().split())

    @on(FilterBar.Closed)
    def _filter_closed(self, event: FilterBar.Closed) -> None:
        if not event.keep:
            self._filter_changed(FilterBar.Changed(""))
        self.query_one(ResultTable).focus()

    @work(exclusive=True, group="look", exit_on_error=False)
    async def _look(self, words: list[str]) -> None:
        """Shows the results that contain all the words; a newer filter cancels this one."""
        table, results = self.query_one(ResultTable), self._results
        found: list[int] | None = None
        if words and results is not None:
            await asyncio.sleep(PAUSE)
            found = await self._matching(results, words)
        table.only(found)
        self._found = None if found is None else len(found)
        self._show()

    async def _matching(self, results: Results, words: list[str]) -> list[int]:
        task, stop = Task(Kind.LOOK, "Searching the results"), threading.Event()
        self.session.tasks[task] = None
        try:
            return await asyncio.to_thread(matching, results, words, task.report, stop.is_set)
        finally:
            stop.set()
            self.session.tasks.pop(task, None)

    def action_copy(self) -> None:
        """Copies the path of the results, or the id if there are none yet."""
        for batch in self.chosen():
            self.copy_text(batch.results_path or batch.label)

    def action_back(self) -> None:
        """Clears the filter first; then goes back to the table."""
        if self._filter:
            self.query_one(FilterBar).clear()
        else:
            self.dismiss(None)


def _head(results: Results, index: int) -> tuple[str, str, str]:
    head = results.head(index)
    return head.custom_id, head.outcome, head.detail


def facts(summary: Summary) -> tuple[tuple[str, str], ...]:
    """What was counted in the results, as labels and values."""
    rows = [("counted", f"{plural(summary.requests, 'result')}, {size(summary.bytes)}, verified")]
    rows += [
        ("failed", f"{number(group.count)} {inert_line(group.type, 40)}, for example: {inert_line(group.example)}")
        for group in summary.errors
    ]
    if summary.stop_reasons:
        counted = sorted(summary.stop_reasons.items(), key=lambda item: -item[1])
        rows.append(("stopped by", ", ".join(f"{inert_line(reason, 40)} {number(count)}" for reason, count in counted)))
    rows += [
        ("tokens", f"{number(tokens.input)} in, {number(tokens.output)} out, {inert_line(model, 60)}")
        for model, tokens in summary.tokens.items()
    ]
    rows += [("cache", summary.cache.words)] if summary.cache else []
    rows += [("warning", inert_line(anomaly)) for anomaly in summary.anomalies]
    return tuple(rows)
