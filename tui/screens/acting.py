"""The actions on batches, shared by the tables and the screen of one batch."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from batchtui.core.batches.batch import Batch, Submission
from batchtui.core.batches.forgetting import unsent_with
from batchtui.core.batches.standing import standing
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.desk.cancel import CancelOutcome
from batchtui.core.desk.retry_wanted import EVERYTHING, Wanted
from batchtui.core.errors import BatchtuiError
from batchtui.core.programs import without_keys
from batchtui.tui import clipboard
from batchtui.tui.commands import key_of
from batchtui.tui.screens.confirm import ConfirmScreen
from batchtui.tui.sentences import (
    cancel_question,
    canceled,
    delete_question,
    deleted,
    forget_question,
    forgotten,
    named,
    retried,
    retrieved,
    things,
)
from batchtui.tui.session import Session
from batchtui.tui.tasks import Kind, Task

ROOMY = 72
"""With this many columns or more, the footer has room for the keys of every screen."""


class Room(Screen[None]):
    """A screen that follows the state. Its keys act on the chosen batches."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def compose(self) -> ComposeResult:
        """The message for a window that is too small for anything else."""
        yield Static("Make this window at least 40 columns by 10 lines.", id="too-small", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Makes the footer compact if it has too little room for its keys."""
        for footer in self.query(Footer):
            footer.compact = event.size.width < ROOMY

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a filter is typed, its key is an ordinary character, and the footer does not show it."""
        return not (action == "filter" and isinstance(self.focused, Input))

    def chosen(self) -> list[Batch]:
        """The batches that the keys act on."""
        return []

    def changed(self) -> None:
        """Called when the state has changed."""

    def pulsed(self) -> None:
        """Called when who polls, when, or how well has changed."""

    def allowed(self, verb: Verb) -> list[Batch]:
        """The chosen batches that allow the verb. Tells the user why the others do not.

        A row that stands for several batches is exported as one, and forgotten as a whole or not at all. Every other
        verb applies to those of its batches that allow it.
        """
        rows = self.chosen()
        if not rows:
            new = key_of("new", self.session.desk.settings.keys)
            self.session.say(f"There is no batch here: {new} starts one.")
        granted: list[Batch] = []
        refused: list[tuple[Batch, str]] = []
        for row in rows:
            batches = [row] if verb is Verb.EXPORT else self.session.each([row])
            reasons = [why for batch in batches if (why := why_not(verb, batch))]
            if reasons and (verb is Verb.FORGET or len(reasons) == len(batches)):
                if not (verb is Verb.CANCEL and self.session.unsent([row])):
                    refused.append((row, reasons[0]))
            else:
                granted += [batch for batch in batches if not why_not(verb, batch)]
        if len(refused) == 1:
            self.session.say(f"{named([refused[0][0]])}: {refused[0][1]}" if len(rows) > 1 else refused[0][1])
        elif refused:
            self.session.say(
                f"Refused for {len(refused)} of {len(rows)}. The first, {named([refused[0][0]])}: {refused[0][1]}"
            )
        return granted

    def action_retrieve(self) -> None:
        """Downloads and verifies the results of the chosen batches, one after another."""
        busy = {task.ref for task in tuple(self.session.tasks)}
        batches = self.allowed(Verb.RETRIEVE)
        if batches and all(batch.ref in busy for batch in batches):
            self.session.say("The results are already being downloaded.")
        batches = [batch for batch in batches if batch.ref not in busy]
        if batches:
            self.app.run_worker(self._retrieve(batches), group="retrieve", exit_on_error=False)

    async def _retrieve(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            task = Task(Kind.RETRIEVE, f"Retrieving {named([batch])}", ref=batch.ref)
            await self.session.run(task, self.session.desk.retrieve(batch.ref, task.report), retrieved)
        halted = {batch.submission for batch in self.session.halted(batches)}
        if halted:
            task = Task(Kind.OTHER, f"Resuming {named(batches)}")
            await self.session.run(task, self._go_on(halted), lambda _: f"Resumed {named(batches)}.")

    async def _go_on(self, submissions: set[str]) -> None:
        """Tries stopped outputs and steps again. Raises what went wrong with them, or still waits for the user."""
        desk, refs = (
            self.session.desk,
            {one.ref for one in self.session.snapshot.batches if one.submission in submissions},
        )
        for failure in [*await desk.advance(submissions), *standing(await desk.snapshot(), submissions)]:
            if failure.batch in refs:
                raise failure.error

    def action_export(self) -> None:
        """Asks where the results should go, and writes them there."""
        batches = self.allowed(Verb.EXPORT)
        if batches:
            from batchtui.tui.screens.export import ExportScreen  # imported late, as in `tui.app`

            self.app.push_screen(ExportScreen(self.session, batches))

    def action_retry(self) -> None:
        """Sends what did not succeed in the chosen batches again, once the user has agreed."""
        rows, batches = self.chosen(), self.allowed(Verb.RETRY)
        if batches:
            title = named(self._concerned(rows, batches, []))
            self.app.run_worker(self._propose(title, batches), group="retry", exit_on_error=False)

    async def _propose(self, title: str, batches: Sequence[Batch]) -> None:
        """Asks what to send, with the number of requests and the price of each kind, then sends it."""
        from batchtui.tui.screens.retry import RetryScreen  # imported late, as in `tui.app`

        desk = self.session.desk
        refs = [batch.ref for batch in batches]
        try:
            proposals = await desk.propose_retry(refs, EVERYTHING)
        except BatchtuiError as error:
            self.session.say(error.message, error.hint, bad=True)
            return

        def answered(wanted: Wanted | None) -> None:
            if wanted:
                task = Task(Kind.SUBMIT, f"Sending {title} again")
                work = desk.retry(refs, wanted, report=task.report)
                self.app.run_worker(self._run_retry(task, work), group="retry", exit_on_error=False)

        self.app.push_screen(RetryScreen(self.session, refs, title, proposals), answered)

    async def _run_retry(self, task: Task, work: Awaitable[list[Batch]]) -> None:
        await self.session.run(task, work, retried)

    def action_cancel(self) -> None:
        """Cancels the chosen batches, and their parts that wait to be sent, once the user has agreed."""
        rows, batches = self.chosen(), self.allowed(Verb.CANCEL)
        wholes = self.session.unsent(rows)
        rows = self._concerned(rows, batches, wholes)
        if rows:
            question = cancel_question(rows, batches, wholes)
            self._ask(question, f"Cancel {things(rows)}", "Keep running", self._cancel(rows, batches, wholes))

    def action_forget(self) -> None:
        """Drops the chosen batches from this machine, once the user has agreed."""
        rows, batches = self.chosen(), self.allowed(Verb.FORGET)
        rows = self._concerned(rows, batches, [])
        if rows:
            wholes = self.session.unsent(rows, stopped=True)
            question = forget_question(rows, batches, unsent_with(self.session.snapshot, wholes, batches))
            self._ask(question, f"Forget {things(rows)}", "Keep", self._forget(rows, batches, wholes))

    def action_delete(self) -> None:
        """Deletes the API's copy of the chosen batches whose results are here, once the user has agreed."""
        rows, batches = self.chosen(), self.allowed(Verb.DELETE)
        rows = self._concerned(rows, batches, [])
        if rows:
            question = delete_question(rows, batches, {})
            self._ask(question, "Delete API's copy", "Keep", self._delete(rows, batches))

    def _concerned(self, rows: Sequence[Batch], batches: Sequence[Batch], wholes: Sequence[Submission]) -> list[Batch]:
        """The rows that the action affects."""
        refs = {batch.ref for batch in batches} | {batch.submission for batch in batches}
        refs |= {ref for one in wholes for ref in (one.ref, *one.batches)}
        return [row for row in rows if row.ref in refs]

    def _ask(self, question: str, act: str, safe: str, work: Callable[[], Awaitable[None]]) -> None:
        def answered(agreed: bool | None) -> None:
            if agreed:
                self.app.run_worker(work(), group="acts", exit_on_error=False)

        self.app.push_screen(ConfirmScreen(question, act, safe), answered)

    def _cancel(
        self, rows: Sequence[Batch], batches: Sequence[Batch], wholes: Sequence[Submission]
    ) -> Callable[[], Awaitable[None]]:
        desk = self.session.desk

        async def each() -> CancelOutcome:
            refs = {one.ref for one in batches}
            done = await desk.cancel(*refs, submissions={one.ref for one in wholes})
            for error in done.failures.values():
                raise error
            return done

        async def work() -> None:
            await self.session.run(
                Task(Kind.OTHER, f"Canceling {named(rows)}"),
                each(),
                lambda done: canceled(rows, done.batches, done.sending),
            )

        return work

    def _forget(
        self, rows: Sequence[Batch], batches: Sequence[Batch], wholes: Sequence[Submission]
    ) -> Callable[[], Awaitable[None]]:
        desk = self.session.desk

        async def work() -> None:
            refs = {one.ref for one in batches}
            forgetting = desk.forget(*refs, submissions={one.ref for one in wholes})
            await self.session.run(Task(Kind.OTHER, f"Forgetting {named(rows)}"), forgetting, lambda _: forgotten(rows))

        return work

    def _delete(self, rows: Sequence[Batch], batches: Sequence[Batch]) -> Callable[[], Awaitable[None]]:
        desk = self.session.desk

        async def each() -> None:
            done = await desk.delete(*(one.ref for one in batches))
            for error in done.failures.values():
                raise error

        async def work() -> None:
            task = Task(Kind.OTHER, f"Deleting the API's copy of {named(rows)}")
            await self.session.run(task, each(), lambda _: deleted(rows))

        return work

    def copy_text(self, text: str) -> None:
        """Copies the text, and tells the user how."""
        self.run_worker(lambda: self._copy(text), group="copy", thread=True, exit_on_error=False)

    def _copy(self, text: str) -> None:
        app, settings = self.app, self.session.desk.settings
        self.session.say(
            clipboard.copy(
                text,
                settings.clipboard,
                without_keys(os.environ, settings.secret_variables),
                lambda wanted: app.call_from_thread(app.copy_to_clipboard, wanted),
            )
        )
