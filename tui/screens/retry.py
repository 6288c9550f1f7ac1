"""Asks what should be sent again: a line for each kind of request, with its number and its price, and two changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from batchtui.core.batches.retries import DEFAULT, Kind
from batchtui.core.desk.retry_proposal import Proposal
from batchtui.core.desk.retry_shares import shares
from batchtui.core.desk.retry_wanted import EVERYTHING, Wanted
from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert, inert_line
from batchtui.tui.commands import Where, bindings
from batchtui.tui.sentences import kind_line, retry_question
from batchtui.tui.session import Session
from batchtui.widgets.choices import Mark

PAUSE = 0.2
"""Seconds after a key in a field before the prices are looked up: each look reads all of the failed requests."""


class RetryScreen(ModalScreen[Wanted | None]):
    """The form. It returns what the user wants sent, or None. Nothing is sent at a price that is not on the screen."""

    BINDINGS = bindings(Where.CONFIRM)

    def __init__(self, session: Session, refs: Sequence[str], title: str, proposals: Sequence[Proposal]) -> None:
        super().__init__()
        self._session = session
        self._refs = refs
        self._title = title
        self._plain = session.desk.settings.ascii
        self._proposals = proposals
        self._priced: tuple[str, str] | None = ("", "")
        self._plain = session.desk.settings.ascii

    def compose(self) -> ComposeResult:
        """The kinds, the changes, what would be sent, and the two answers."""
        every = shares(self._proposals)
        usual = {one.kind for one in every if one.kind in DEFAULT}
        with Vertical(classes="dialog form"):
            yield Static(f"Send again: {inert_line(self._title, 60)}", classes="title", markup=False)
            for one in every:
                yield Mark(Content(kind_line(one, plain=self._plain)), value=one.kind in usual, id=f"kind-{one.kind}")
            with Horizontal(classes="changes"):
                yield Input(placeholder="max_tokens, as it was", type="integer", max_length=9, id="max-tokens")
                yield Input(placeholder="model, as it was", max_length=200, id="model")
            with VerticalScroll(classes="report"):
                yield Static("", id="report", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Do not send  esc", id="safe")
                yield Button("Send again  y", id="act", variant="error")

    def on_mount(self) -> None:
        """Puts the focus on the first kind, or on the answer that sends nothing."""
        marks = self.query(Mark)
        (marks.first() if marks else self.query_one("#safe")).focus()
        self._say()

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that are marked."""
        return frozenset(Kind((mark.id or "").removeprefix("kind-")) for mark in self.query(Mark) if mark.value)

    @property
    def wanted(self) -> Wanted:
        """What the form says, or would like to be sent, whatever it costs."""
        tokens, model = self._changes()
        unsent = any(one.unsent for one in self._proposals)
        return Wanted(self.kinds, int(tokens) if tokens else None, model, unsent=unsent)

    def _changes(self) -> tuple[str, str]:
        fields = (self.query_one("#max-tokens", Input).value.strip(), self.query_one("#model", Input).value.strip())
        return (fields[0] if fields[0].isdecimal() and int(fields[0]) else "", fields[1])

    @on(Mark.Changed)
    def _say(self) -> None:
        ready = self._priced == self._changes()
        chosen = [one.taking(self.kinds) for one in self._proposals]
        asked = retry_question(chosen, plain=self._plain) if ready else "Looking up the price."
        some = any(one.requests for one in chosen)
        self._report(asked if some else "Mark what should be sent again, with space.", ready=ready and some)

    def _report(self, text: str, *, ready: bool = False) -> None:
        self.query_one("#report", Static).update(inert(text))
        self.query_one("#act", Button).disabled = not ready

    @on(Input.Changed)
    def _changed(self) -> None:
        self._say()
        if self._priced != self._changes():
            self._price()

    @work(exclusive=True, group="price", exit_on_error=False)
    async def _price(self) -> None:
        """Looks up the prices with these changes. A newer change cancels this."""
        await asyncio.sleep(PAUSE)
        changes, wanted = self._changes(), self.wanted
        wanted = Wanted(EVERYTHING.kinds, wanted.max_tokens, wanted.model, unsent=wanted.unsent)
        try:
            self._proposals = await self._session.desk.propose_retry(self._refs, wanted)
        except BatchtuiError as error:
            self._report(f"{error.message}\n{error.hint}")
            return
        self._priced = changes
        for mark, label in self._labels():
            mark.label = Content(label)
        self._say()

    def _labels(self) -> Iterator[tuple[Mark, str]]:
        every = {f"kind-{one.kind}": kind_line(one, plain=self._plain) for one in shares(self._proposals)}
        return ((mark, every[mark.id]) for mark in self.query(Mark) if mark.id in every)

    @on(Mark.Accepted)
    @on(Input.Submitted)
    @on(Button.Pressed, "#act")
    def action_agree(self) -> None:
        """Sends it, if its price is on the screen."""
        if not self.query_one("#act", Button).disabled and self._priced == self._changes():
            self.dismiss(self.wanted)

    @on(Button.Pressed, "#safe")
    def action_dismiss_form(self) -> None:
        """Sends nothing."""
        self.dismiss(None)
