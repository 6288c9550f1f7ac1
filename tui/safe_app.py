"""What holds on every screen: nothing shown controls the terminal, no toast is markup, no crash shows a prompt."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter

from batchtui.core.logs import log
from batchtui.core.text import inert_line
from batchtui.tui.lasting_driver import LastingDriver
from batchtui.tui.session import BROKE
from batchtui.widgets.ascii_filter import AsciiFilter
from batchtui.widgets.safe_filter import SafeFilter

GOOD, BAD = 5.0, 8.0
"""Seconds that a toast stays."""


class SafeApp(App[int]):
    """An app whose crashes go to the log at `log_file`; `plain` draws with ASCII only."""

    def __init__(self, log_file: Path, *, plain: bool = False) -> None:
        super().__init__()
        self._log_file = log_file
        self._ours: list[LineFilter] = [*([AsciiFilter()] if plain else []), SafeFilter()]

    def get_driver_class(self) -> type[Driver]:
        """Textual's own choice, made to outlast the terminal."""
        chosen = super().get_driver_class()
        return LastingDriver if chosen is LinuxDriver else chosen

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own filters, followed by the ones that stop control characters."""
        return [*super().get_line_filters(), *self._ours]

    def say(self, text: str, *, bad: bool = False) -> None:
        """Shows a toast: short, and never parsed as markup. A message that is already shown is not repeated."""
        line = inert_line(text)
        if all(shown.message != line for shown in self._notifications):
            self.notify(line, severity="error" if bad else "information", timeout=BAD if bad else GOOD, markup=False)

    def to_terminal(self, sequence: str) -> None:
        """Writes a sequence to the terminal beside what is drawn. It must be inert but for what it is to do."""
        if self._driver is not None:
            self._driver.write(sequence)

    def _fatal_error(self) -> None:
        """Ends the app without Textual's traceback, which prints the locals of every frame: one may hold a prompt."""
        error = sys.exception()
        log.error("the app stopped", exc_info=error)
        self._exit_renderables.append(
            Text(
                f"{BROKE} ({type(error).__name__}) The details are in {self._log_file}\n"
                "What was submitted keeps running at the API."
            )
        )
        self._close_messages_no_wait()
