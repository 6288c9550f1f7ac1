"""Asks where the results of one batch, or of all marked ones, go, and in which format."""

from __future__ import annotations

import re
from collections.abc import Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, RadioSet, Static

from batchtui.core.batches.batch import Batch, Output
from batchtui.core.errors import BatchtuiError
from batchtui.core.outputs.kinds import kind_of
from batchtui.core.outputs.target import TargetExists
from batchtui.core.paths import target_path
from batchtui.core.text import inert, inert_line, plural
from batchtui.tui.commands import Where, bindings
from batchtui.tui.screens.confirm import ConfirmScreen
from batchtui.tui.session import Session
from batchtui.tui.tasks import Kind, Task
from batchtui.widgets.choices import Choice, Choices
from batchtui.widgets.path_input import PathInput

AS_IS = "csv-as-it-is"

FORMATS = (
    ("jsonl", "JSON lines", "every result in full, in request order"),
    ("csv", "CSV", "a row per result: id, type, text, tokens"),
    ("parquet", "Parquet", "for pandas and DuckDB; needs pyarrow"),
    ("sqlite", "SQLite", "the results as a table in a .db file"),
    ("files", "Files", "each answer's text in its own file"),
    (AS_IS, "CSV as it is", "also cells that a spreadsheet would run"),
)

_ENDINGS = {"sqlite": "db", AS_IS: "csv"}


def default_target(batches: Sequence[Batch], kind: str) -> str:
    """Where an export goes by default: the current folder, named after the batch.

    For several batches it is a pattern with `{name}`, which becomes the name of each.
    """
    name = safe_name(batches[0]) if len(batches) == 1 else "{name}"
    return f"{name}/{{custom_id}}.md" if kind == "files" else f"{name}-results.{_ENDINGS.get(kind, kind)}"


def kind_by_path(target: str) -> str | None:
    """The format that a path asks for by its ending, or by being a pattern; None if it asks for none."""
    try:
        return kind_of(target)
    except BatchtuiError:
        return None


def safe_name(batch: Batch) -> str:
    """The batch's name in a form that any file system accepts; the name may come from outside."""
    name = re.sub(r"[^\w.-]+", "_", batch.name).strip("._-")[:80]
    return name or batch.label


def targets(batches: Sequence[Batch], target: str) -> list[str]:
    """The target of each batch; names that occur twice get the ref appended."""
    names = [safe_name(batch) for batch in batches]
    return [
        target.replace("{name}", name if names.count(name) == 1 else f"{name}-{batch.ref}")
        for name, batch in zip(names, batches, strict=True)
    ]


class ExportScreen(ModalScreen[None]):
    """The form. It closes once everything is written; errors stay on it."""

    BINDINGS = bindings(Where.FORM)

    def __init__(self, session: Session, batches: Sequence[Batch]) -> None:
        super().__init__()
        self._session = session
        self._batches = batches
        self._typed = False
        self._writing: Task | None = None

    def compose(self) -> ComposeResult:
        """The choice of format, the path, and what happens."""
        name = inert_line(self._batches[0].name, 60)
        what = name if len(self._batches) == 1 else plural(len(self._batches), "batch", "batches")
        with Vertical(classes="dialog form"):
            yield Static(f"Export {what}", classes="title", markup=False)
            with Choices(id="format"):
                for index, (kind, label, about) in enumerate(FORMATS):
                    yield Choice(Content(f"{label}: {about}"), value=index == 0, id=kind)
            yield Static("To", classes="label", markup=False)
            yield PathInput(default_target(self._batches, "jsonl"), id="target")
            with VerticalScroll(classes="report"):
                yield Static("", id="report", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Export  enter", id="act", variant="primary")
                yield Button("Back  esc", id="leave")

    def on_mount(self) -> None:
        """Puts the focus on the first choice."""
        self.query_one("#format").focus()
        self.set_interval(0.25, self._show_progress)
        self._say_place()

    @property
    def format(self) -> str:
        """The chosen format: a kind of output, or `AS_IS`."""
        return self.query_one(Choices).chosen or "jsonl"

    @property
    def kind(self) -> str:
        """The kind of output that it is."""
        return "csv" if self.format == AS_IS else self.format

    @on(RadioSet.Changed)
    def _format_changed(self) -> None:
        field = self.query_one(PathInput)
        field.value = self._fitting()
        field.action_end()

    def _fitting(self) -> str:
        """The path in the field, with the ending of the chosen format."""
        said, kind = self.query_one(PathInput).value.strip(), self.kind
        if not self._typed:
            return default_target(self._batches, kind)
        if kind_by_path(said) not in (kind, "files", None) and kind != "files":
            return f"{said.rpartition('.')[0]}.{_ENDINGS.get(kind, kind)}"
        return said

    @on(PathInput.Changed)
    def _target_changed(self, event: PathInput.Changed) -> None:
        self._typed = event.value not in {default_target(self._batches, kind) for kind, _, _ in FORMATS}
        asked = kind_by_path(event.value.strip()) if self._typed else None
        if asked in {kind for kind, _, _ in FORMATS} and asked != self.kind:
            self.query_one(Choices).choose(asked)
        self._say_place()

    @work(exclusive=True, group="place", exit_on_error=False)
    async def _say_place(self) -> None:
        """Says where it would write, or why not there. A newer path cancels this."""
        target, kind = self.query_one(PathInput).value.strip(), self.kind
        if not target:
            self._report("Enter a path.")
            return
        try:
            for batch, place in zip(self._batches, targets(self._batches, target), strict=True):
                path = await self._session.desk.export_place(batch.ref, place, kind)
            self._report(f"Will write {path if len(self._batches) == 1 else target_path(target)}")
        except BatchtuiError as error:
            self._report(f"{error.message}\n{error.hint}")

    @on(Choices.Accepted)
    @on(PathInput.Submitted)
    @on(Button.Pressed, "#act")
    def _begin(self) -> None:
        target = self._fitting()
        if not target or self._writing is not None:
            return
        if len(self._batches) > 1 and "{name}" not in target:
            self._report("Several batches need several files: {name} in the path becomes the name of each.")
            return
        places = targets(self._batches, target)
        self._start(list(zip(self._batches, places, strict=True)), overwrite=False)

    def _start(self, jobs: Sequence[tuple[Batch, str]], *, overwrite: bool) -> None:
        self.query_one("#act", Button).disabled = True
        self.app.run_worker(self._write(jobs, overwrite), group="export", exit_on_error=False)

    async def _write(self, jobs: Sequence[tuple[Batch, str]], overwrite: bool) -> None:
        desk, kind, safe = self._session.desk, self.kind, self.format != AS_IS
        for nth, (batch, place) in enumerate(jobs):
            self._writing = task = Task(Kind.EXPORT, f"Exporting {inert_line(batch.name, 60)}", ref=batch.ref)
            work = desk.export(batch.ref, place, kind=kind, overwrite=overwrite, safe=safe, report=task.report)
            result = await self._session.run(task, work, _exported, shown=self.is_attached)
            self._writing = None
            if isinstance(result, BatchtuiError):
                self._failed(result, jobs[nth:])
                return
        if self.is_current:
            self.dismiss(None)

    def _failed(self, error: BatchtuiError, jobs: Sequence[tuple[Batch, str]]) -> None:
        if not self.is_attached:
            return
        self.query_one("#act", Button).disabled = False
        if isinstance(error, TargetExists) and self.is_current:
            self._report(error.message)
            self._ask(f"{error.message} Replace it?", jobs)
        else:
            self._report(f"{error.message}\n{error.hint}")

    def _ask(self, question: str, jobs: Sequence[tuple[Batch, str]]) -> None:
        def answered(agreed: bool | None) -> None:
            if agreed:
                self._start(jobs, overwrite=True)

        self.app.push_screen(ConfirmScreen(question, "Replace", "Keep it"), answered)

    def _show_progress(self) -> None:
        if self._writing is not None:
            self._report(f"{self._writing.text} {self._writing.words}")

    def _report(self, text: str) -> None:
        self.query_one("#report", Static).update(inert(text))

    @on(Button.Pressed, "#leave")
    def action_dismiss_form(self) -> None:
        """Closes the form; a running export continues."""
        self.dismiss(None)


def _exported(output: Output) -> str:
    rows, cells = plural(output.rows or 0, "result"), plural(output.guarded, "cell")
    guarded = f". An apostrophe in {cells} keeps formulas from running" if output.guarded else ""
    unnamed = f". {output.unnamed}" if output.unnamed else ""
    return f"Exported {rows} to {inert_line(output.path)}{guarded}{unnamed}"
