"""What a person does to batches, the same on the table and on the screen of one batch."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Sequence

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from batchtui.core.batch import UNDER_WAY, Batch
from batchtui.core.errors import BatchtuiError
from batchtui.core.retrying import described, propose_all, retry
from batchtui.core.text import inert_line, number, plural
from batchtui.core.verbs import Verb, why_not
from batchtui.tui import clipboard
from batchtui.tui.screens.confirm import ConfirmScreen
from batchtui.tui.screens.export import ExportScreen
from batchtui.tui.session import Session
from batchtui.tui.tasks import Kind, Task


class Room(Screen[None]):
    """A screen that follows the state, and whose keys act on the batches it has chosen."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def compose(self) -> ComposeResult:
        """The one sentence for a window too small for anything else."""
        yield Static("Make this window at least 40 columns by 10 lines.", id="too-small", markup=False)

    def chosen(self) -> list[Batch]:
        """The batches that the keys act on."""
        return []

    def changed(self) -> None:
        """The state changed."""

    def pulsed(self) -> None:
        """Who polls, when, or how well, changed."""

    def allowed(self, verb: Verb) -> list[Batch]:
        """The chosen batches that allow the verb; why the others do not is said.

        A row that stands for several batches is exported as one; all else is done to each of them.
        """
        chosen = self.chosen() if verb is Verb.EXPORT else self.session.each(self.chosen())
        if not chosen:
            self.session.say("There is no batch here to do that to.")
        refused = [(batch, why) for batch in chosen if (why := why_not(verb, batch))]
        if len(refused) == 1:
            self.session.say(f"{refused[0][0].name}: {refused[0][1]}" if len(chosen) > 1 else refused[0][1])
        elif refused:
            self.session.say(
                f"Not done to {len(refused)} of {len(chosen)}. The first, {refused[0][0].name}: {refused[0][1]}"
            )
        return [batch for batch in chosen if not why_not(verb, batch)]

    def action_retrieve(self) -> None:
        """Downloads and verifies the results of the chosen batches, one after the other."""
        busy = {task.ref for task in self.session.tasks}
        batches = self.allowed(Verb.RETRIEVE)
        if batches and all(batch.ref in busy for batch in batches):
            self.session.say("Its results are being downloaded already.")
        batches = [batch for batch in batches if batch.ref not in busy]
        if batches:
            self.app.run_worker(self._retrieve(batches), group="retrieve", exit_on_error=False)

    async def _retrieve(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            task = Task(Kind.RETRIEVE, f"Retrieving {batch.name}", ref=batch.ref)
            await self.session.run(task, self.session.desk.retrieve(batch.ref, task.report), _retrieved)

    def action_export(self) -> None:
        """Asks where the results shall go, and writes them there."""
        batches = self.allowed(Verb.EXPORT)
        if batches:
            self.app.push_screen(ExportScreen(self.session, batches))

    def action_retry(self) -> None:
        """Sends what did not succeed of the chosen batches again, once a person has agreed."""
        batches = self.allowed(Verb.RETRY)
        if batches:
            self.app.run_worker(self._propose(batches), group="retry", exit_on_error=False)

    async def _propose(self, batches: Sequence[Batch]) -> None:
        """Asks with the causes and their numbers, then sends."""
        desk = self.session.desk
        refs = [batch.ref for batch in batches]
        try:
            proposals = await propose_all(refs, desk.means)
        except BatchtuiError as error:
            self.session.say(error.message, error.hint, bad=True)
            return

        def answered(agreed: bool | None) -> None:
            if agreed:
                task = Task(Kind.SUBMIT, f"Sending {_named(batches)} again")
                work = retry(refs, desk.means, include_permanent=False, agreed=lambda _: True, report=task.report)
                self.app.run_worker(self._run_retry(task, work), group="retry", exit_on_error=False)

        self.app.push_screen(ConfirmScreen(f"{described(proposals)} Send them again?", "Send again", "Leave"), answered)

    async def _run_retry(self, task: Task, work: Awaitable[list[Batch]]) -> None:
        await self.session.run(task, work, _retried)
        await self.session.desk.poke()

    def action_cancel(self) -> None:
        """Cancels the chosen batches, once a person has agreed."""
        batches = self.allowed(Verb.CANCEL)
        if not batches:
            return
        left = sum(batch.request_counts.processing for batch in batches)
        total = sum(batch.requests for batch in batches)
        question = (
            f"Cancel {_named(batches)}? {number(left)} of {plural(total, 'request')} "
            f"{'has' if left == 1 else 'have'} not ended by the last look. What has finished is kept, and billed."
        )
        self._ask(question, f"Cancel {_things(batches)}", "Keep running", Verb.CANCEL, batches)

    def action_forget(self) -> None:
        """Drops the chosen batches from this machine, once a person has agreed."""
        batches = self.allowed(Verb.FORGET)
        if not batches:
            return
        question = (
            f"Forget {_named(batches)}? {'Its record and its' if len(batches) == 1 else 'Their records and their'} "
            "requests on this machine go. "
            "What the API has stays there; results that are here stay in their folder."
        )
        self._ask(question, f"Forget {_things(batches)}", "Keep", Verb.FORGET, batches)

    def _ask(self, question: str, act: str, safe: str, verb: Verb, batches: Sequence[Batch]) -> None:
        def answered(agreed: bool | None) -> None:
            if agreed:
                self.app.run_worker(self._carry_out(verb, batches), group=verb, exit_on_error=False)

        self.app.push_screen(ConfirmScreen(question, act, safe), answered)

    async def _carry_out(self, verb: Verb, batches: Sequence[Batch]) -> None:
        desk = self.session.desk
        for batch in batches:
            if verb is Verb.CANCEL:
                task = Task(Kind.OTHER, f"Canceling {batch.name}", ref=batch.ref)
                await self.session.run(task, desk.cancel(batch.ref), _canceled)
            else:
                task = Task(Kind.OTHER, f"Forgetting {batch.name}", ref=batch.ref)
                await self.session.run(task, desk.forget(batch.ref), lambda _, name=batch.name: f"{name} is forgotten.")  # type: ignore[misc]

    def copy_text(self, text: str) -> None:
        """Copies, and says how."""
        self.run_worker(lambda: self._copy(text), group="copy", thread=True, exit_on_error=False)

    def _copy(self, text: str) -> None:
        app = self.app
        self.session.say(
            clipboard.copy(
                text,
                self.session.desk.settings.clipboard,
                os.environ,
                lambda wanted: app.call_from_thread(app.copy_to_clipboard, wanted),
            )
        )


def _retrieved(batch: Batch) -> str:
    counts = batch.request_counts
    return (
        f"Retrieved {batch.name}: {number(counts.succeeded)} of {plural(counts.total, 'request')} succeeded · e exports"
    )


def _retried(batches: list[Batch]) -> str:
    sent = sum(batch.requests for batch in batches)
    return f"{plural(sent, 'request')} sent again; the answers will stand beside the first ones."


def _canceled(batch: Batch) -> str:
    if batch.state in UNDER_WAY:
        return f"{batch.name} is being canceled; what has run by now is kept."
    return f"{batch.name} had ended before it could be canceled."


def _named(batches: Sequence[Batch]) -> str:
    return inert_line(batches[0].name, 60) if len(batches) == 1 else plural(len(batches), "batch", "batches")


def _things(batches: Sequence[Batch]) -> str:
    return "batch" if len(batches) == 1 else plural(len(batches), "batch", "batches")
