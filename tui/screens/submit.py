"""The form for a new batch. It shows what the file holds as its path is typed; a file with problems is not sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, ProgressBar, Static

from batchtui.core.batches.batch import Batch
from batchtui.core.batches.deadline_text import in_words
from batchtui.core.cost.deadline_price import missed
from batchtui.core.cost.preflight import Preflight
from batchtui.core.errors import BadInput, BatchtuiError, NotAllowed, OutcomeUnknown, Unreachable
from batchtui.core.logs import log
from batchtui.core.paths import expanded
from batchtui.core.requests.split import Cut
from batchtui.core.requests.touch import named
from batchtui.core.text import inert_line, money, plural
from batchtui.tui.commands import Where, bindings
from batchtui.tui.screens.confirm import ConfirmScreen
from batchtui.tui.screens.submit_form import Form, reason
from batchtui.tui.screens.submit_report import what_it_holds
from batchtui.tui.session import Session, broke
from batchtui.tui.sync import Sync
from batchtui.tui.tasks import Kind, Task
from batchtui.widgets.path_input import PathInput
from batchtui.widgets.segments import Segment, content

PAUSE = 0.25
"""Seconds without typing before a file is read."""

ASKED_FOR = 15.0
"""Seconds to wait for the API's answer on models and counts; after that, a file may be sent without it."""

_START = "Enter a path. Each line of the file is one request:"
_NOT_SENT = "Nothing was submitted. Press Submit again once the API can be reached."
_EXAMPLE = '{"custom_id": "a1", "params": {"model": "…", "max_tokens": 1024, "messages": […]}}'

_CLOSE = "You can close the laptop."

_DEARER = 1.1
"""If asking the API raises the price by more than this factor, it is not the price that was agreed to."""


class SubmitScreen(ModalScreen[None]):
    """The form. It closes once the batch is accepted, or once only the API's list can show whether it was."""

    BINDINGS = bindings(Where.FORM)

    def __init__(self, session: Session, sync: Sync, path: str = "") -> None:
        super().__init__()
        self._session = session
        self._sync = sync
        self._path = path
        self._form = Form(key_variable=session.desk.settings.key_variable)
        self._why = ""
        self._sending: Task | None = None
        self._checking: Task | None = None

    def compose(self) -> ComposeResult:
        """The path, the name, what the file holds, and the button with the reason if it is disabled."""
        with Vertical(classes="dialog form"):
            yield Static("New batch", classes="title", markup=False)
            yield Static("File of requests, or job  (tab completes)", classes="label", markup=False)
            yield PathInput(self._path, id="path", endings=(".jsonl", ".toml"))
            yield Static("Name", classes="label", markup=False)
            yield Input(id="name", placeholder="the name of the file", max_length=100)
            with VerticalScroll(classes="report"):
                yield Static("", id="report", markup=False)
            yield ProgressBar(id="progress", show_eta=False)
            with Horizontal(classes="buttons"):
                yield Button("Submit  enter", id="act", variant="primary", disabled=True)
                yield Button("Back  esc", id="leave")
                yield Static("", id="why", markup=False)

    def on_mount(self) -> None:
        """Starts on the path."""
        self.query_one(PathInput).focus()
        self.query_one("#progress").display = False
        self.set_interval(0.2, self._show_progress)
        self._report([[(_START, "")], [(_EXAMPLE, "dim")]])
        self._set()

    def _set(self, **changes: Any) -> None:
        """Applies the changes, then enables the button or shows why it is disabled."""
        self._form = replace(self._form, key=self._session.key, sending=self._sending is not None, **changes)
        self._why = reason(self._form)
        self.query_one("#act", Button).disabled = bool(self._why)
        self.query_one("#why", Static).update(self._why)

    @on(PathInput.Changed, "#path")
    def _path_changed(self, event: PathInput.Changed) -> None:
        path = event.value.strip()
        named = "the job's own name" if path.endswith(".toml") else inert_line(Path(path).stem, 100)
        self.query_one("#name", Input).placeholder = named or "the name of the file"
        if path:
            self._check(path)
        else:
            self.workers.cancel_group(self, "check")
            self._report([[(_START, "")], [(_EXAMPLE, "dim")]])
        self._set(path=path, looked=None, unread=False, asking=False, kept=False)

    @work(exclusive=True, group="check", exit_on_error=False)
    async def _check(self, path: str) -> None:
        """Reads the file once typing pauses. If there is a key, it then asks the API about the file's models and a few
        exact counts. A newer path cancels this check."""
        await asyncio.sleep(PAUSE)
        self._checking = task = Task(Kind.OTHER, "Reading")
        asking = False
        try:
            before = looked = await self._look(path, task, offline=True)
            if looked.checked.ok and self._session.key:
                asking = True
                self._show(looked, asking=True)
                looked = await self._ask(path, looked)
        except BatchtuiError as error:
            self._cannot_read(error)
            return
        except OSError as error:
            self._cannot_read(BatchtuiError(f"It cannot be read: {error.strerror}"))
            return
        except Exception as error:  # noqa: BLE001 - shown on the form and logged; the form stays
            log.exception("checking a file")
            self._cannot_read(broke(error, self._session.desk))
            return
        finally:
            if self._checking is task:
                self._checking = None
                if asking:
                    self._form = replace(self._form, asking=False)
        self._show(looked)
        if self._form.kept and not self._why and _as_said(before, looked):
            self._agree(looked)
        self._form = replace(self._form, kept=False)

    async def _look(self, path: str, task: Task, *, offline: bool) -> Preflight:
        file = expanded(path)
        return await self._session.desk.examine(file, one_batch=False, offline=offline, report=task.report)

    async def _ask(self, path: str, looked: Preflight) -> Preflight:
        """Checks the same file with the API's help, or without it if the API does not answer in time."""
        try:
            return await asyncio.wait_for(self._look(path, Task(Kind.OTHER, "Asking"), offline=False), ASKED_FOR)
        except TimeoutError:
            note = "The API did not answer in time: the models were not checked."
            return replace(looked, notes=(*looked.notes, note))

    def _show(self, looked: Preflight, *, asking: bool = False) -> None:
        lines = what_it_holds(looked, self._session.desk.clock(), plain=self._session.desk.settings.ascii)
        self._report([*lines, *([[("Asking the API about the models and the price.", "dim")]] if asking else [])])
        self._set(looked=looked, asking=asking)

    def _cannot_read(self, error: BatchtuiError) -> None:
        self._report([[(error.message, "bad")], [(error.hint, "dim")]])
        self._set(looked=None, unread=True)

    @on(Input.Submitted)
    @on(Button.Pressed, "#act")
    def _begin(self) -> None:
        """Sends the batch. If the API is still being asked, sends it as soon as it has answered."""
        self._set(kept=self._form.asking)
        if not self._why:
            assert self._form.looked
            self._agree(self._form.looked)

    def _agree(self, looked: Preflight) -> None:
        """Sends it. First asks if it is a job that touches what is outside its folder, or that has a deadline."""

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._send(again=False)

        does = [named(looked.touches)] if looked.touches else []
        if looked.deadline and looked.whole:
            most = missed(looked.whole).max_usd
            dear = f", for {money(most)} at most" if most is not None else ", and its cost has no upper bound"
            does.append(
                f"sends at once what has not ended {in_words(looked.deadline, self._session.desk.clock())}{dear}"
            )
        if does:
            question = f"{inert_line(looked.checked.path.name, 60)} {', and '.join(does)}. Submit it?"
            self.app.push_screen(ConfirmScreen(question, "Submit", "Do not"), answered)
        else:
            self._send(again=False)

    def _send(self, *, again: bool) -> None:
        looked = self._form.looked
        assert looked is not None
        name = self.query_one("#name", Input).value.strip()
        what = name or looked.checked.path.stem
        self._sending = Task(Kind.SUBMIT, f"Sending {what}", total=looked.checked.bytes)
        self._set()
        self.app.run_worker(self._submit(self._sending, looked, name, again), group="submit", exit_on_error=False)

    async def _submit(self, task: Task, looked: Preflight, name: str, again: bool) -> None:
        checked = looked.checked
        cut = Cut() if checked.batches > 1 else None
        desk, more = self._session.desk, False

        async def send() -> Batch:
            nonlocal more
            batch = await desk.submit(
                checked.path,
                name=name or None,
                again=again,
                cut=cut,
                looked=looked,
                report=task.report,
            )
            whole = (await desk.snapshot()).submissions.get(batch.submission)
            more = bool(whole and (whole.waiting or whole.steps or whole.outputs))
            return batch

        result = await self._session.run(task, send(), lambda batch: _accepted(batch, more=more), shown=True)
        self._sending = None
        if isinstance(result, Batch | OutcomeUnknown):
            self._sync.wake()
        if isinstance(result, Batch):
            self._session.wanted = result.ref
            self._leave()
        elif not self.is_attached or isinstance(result, OutcomeUnknown):
            self._session.say(result.message, result.hint, bad=True)
            self._leave()
        elif isinstance(result, NotAllowed) and not again:
            self._set()
            self._ask_again(result)
        else:
            hint = _NOT_SENT if isinstance(result, Unreachable) else result.hint
            self._report([[(result.message, "bad")], [(hint, "dim")]])
            self._set()
            if isinstance(result, BadInput):  # the file is not what was checked
                self._session.say(result.message, "Reading it again.", bad=True)
                self._path_changed(PathInput.Changed(field := self.query_one(PathInput), field.value))

    def _ask_again(self, error: NotAllowed) -> None:
        def answered(agreed: bool | None) -> None:
            if agreed:
                self._send(again=True)

        self._report([[(error.message, "warn")]])
        question = f"{error.message} Submitting the file again buys all of it a second time."
        self.app.push_screen(ConfirmScreen(question, "Buy again", "Do not"), answered)

    def _show_progress(self) -> None:
        task, bar = self._sending, self.query_one("#progress", ProgressBar)
        bar.display = task is not None
        if task is not None:
            bar.update(total=task.total, progress=task.done)
            self._report([[(f"{task.text}  {task.words}", "")], [("Esc closes this form; sending continues.", "dim")]])
        elif self._checking is not None and self._checking.done and not self._form.asking:
            self._report([[(f"Reading  {self._checking.words}", "")]])

    def _report(self, lines: list[list[Segment]]) -> None:
        if self.is_attached:
            self.query_one("#report", Static).update(content(*lines))

    def _leave(self) -> None:
        if self.is_current:
            self.dismiss(None)

    @on(Button.Pressed, "#leave")
    def action_dismiss_form(self) -> None:
        """Closes the form; sending continues."""
        self.dismiss(None)


def _as_said(before: Preflight, after: Preflight) -> bool:
    """Whether the API's answer adds nothing to read that was not on the form when the user pressed Enter."""
    first, then = (one.whole.batch_max_usd if one.whole else None for one in (before, after))
    dearer = then is not None and (first is None or then > first * _DEARER)
    return before.notes == after.notes and not dearer


def _accepted(batch: Batch, *, more: bool) -> str:
    """`more`: parts that wait to be sent, steps or outputs are still to come."""
    requests = plural(batch.requests, "request")
    then = "The rest needs a running batchtui: this one, or `batchtui monitor`." if more else _CLOSE
    return f"{inert_line(batch.name, 60)} was submitted: {requests}, {batch.label}. {then}"
