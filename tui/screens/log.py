"""What this run did, newest first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from batchtui.core.text import inert_line
from batchtui.tui.commands import Where, bindings
from batchtui.tui.session import Entry, Session
from batchtui.widgets.segments import Segment, content


def lines(entries: list[Entry]) -> list[list[Segment]]:
    """Each entry with its local time; what went wrong with what to do about it."""
    text: list[list[Segment]] = []
    for entry in entries:
        at = entry.at.astimezone().strftime("%H:%M:%S")
        text.append([(f"{at}  ", "dim"), ("✗ " if entry.bad else "  ", "bad"), (inert_line(entry.text, 400), "")])
        if entry.hint:
            text.append([(f"            {inert_line(entry.hint, 400)}", "dim")])
    return text or [[("Nothing has happened yet.", "dim")]]


class LogScreen(ModalScreen[None]):
    """The activity log; the file has the details."""

    BINDINGS = bindings(Where.LOG)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def compose(self) -> ComposeResult:
        """The entries and where the file is."""
        with VerticalScroll(classes="dialog page"):
            yield Static("Activity", classes="title", markup=False)
            yield Static(content(*lines(list(self._session.activity)[:200])), markup=False)
            yield Static(
                f"\nMore in {inert_line(str(self._session.desk.paths.log_file))}", classes="label", markup=False
            )

    def action_back(self) -> None:
        """Closes the log."""
        self.dismiss(None)
