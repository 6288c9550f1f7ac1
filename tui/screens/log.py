"""What this run did, newest first."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from batchtui.core.text import inert_line
from batchtui.tui.commands import Where, bindings, key_of
from batchtui.tui.session import Entry, Session
from batchtui.widgets.listing import Item, Listing


def lines(entries: Iterable[Entry]) -> list[Item]:
    """Each entry with its local time; errors come with what to do about them."""
    items: list[Item] = []
    for entry in entries:
        at = entry.at.astimezone().strftime("%H:%M:%S")
        items.append(([(f"{at}  ", "dim"), ("✗ " if entry.bad else "  ", "bad")], (inert_line(entry.text, 400), "")))
        if entry.hint:
            items.append(([(" " * 12, "")], (inert_line(entry.hint, 400), "dim")))
    return items or [([], ("Nothing has happened yet.", "dim"))]


SHOWN = 200
"""Entries shown; the log file has all of them."""


class LogScreen(ModalScreen[None]):
    """The activity log; the log file has the details."""

    BINDINGS = bindings(Where.LOG)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def compose(self) -> ComposeResult:
        """The entries and the path of the log file."""
        with VerticalScroll(classes="dialog page") as page:
            page.border_subtitle = f"{key_of('back', self._session.desk.settings.keys)} closes"
            yield Static("Activity, newest first", classes="title", markup=False)
            yield Listing(lines(islice(self._session.activity, SHOWN)))
            yield Static(
                f"\nMore in {inert_line(str(self._session.desk.paths.log_file))}", classes="label", markup=False
            )

    def action_back(self) -> None:
        """Closes the log."""
        self.dismiss(None)
