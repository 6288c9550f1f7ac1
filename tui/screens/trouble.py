"""Shown if the state cannot be read: what happened, what to do, and nothing that could make it worse."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Footer, Static

from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert
from batchtui.tui.commands import Where, bindings
from batchtui.widgets.segments import content


class TroubleScreen(Screen[None]):
    """One error in full."""

    BINDINGS = bindings(Where.TROUBLE)

    def __init__(self, error: BatchtuiError) -> None:
        super().__init__()
        self._error = error

    def compose(self) -> ComposeResult:
        """What happened, and what to do."""
        with Vertical(classes="dialog"):
            yield Static("batchtui cannot start", classes="title", markup=False)
            yield Static(
                content([(inert(self._error.message), "bad")], [], [(inert(self._error.hint), "")]), markup=False
            )
            yield Static("\nNothing was changed. Batches keep running at the API.", classes="label", markup=False)
        yield Footer(show_command_palette=False)
