"""Tells a person who looks elsewhere what has ended: by the terminal's title, its bell, and a notice on the desktop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from batchtui.tui.attention import Call, headline, one_by_one
from batchtui.tui.terminal_notice import BELL, SAVE_TITLE, notice, restore_title, speaks, title


class Voice:
    """Writes to the terminal beside what is drawn, through `write`. Silent if it is not `on`, and until `begin`."""

    def __init__(
        self,
        write: Callable[[str], object],
        environment: Mapping[str, str],
        *,
        on: bool,
        ascii: bool,  # noqa: A002
    ) -> None:
        self._write = write
        self._environment = environment
        self._on = on and speaks(environment)
        self._ascii = ascii
        self._begun = False
        self._running = 0
        self._headline = ""
        self._title = ""

    def begin(self) -> None:
        """Keeps the terminal's title for later, and sets ours."""
        if self._on and not self._begun:
            self._begun = True
            self._write(SAVE_TITLE)
            self._show()

    def running(self, count: int) -> None:
        """Says in the title how many batches are under way."""
        self._running = count
        self._show()

    def call(self, found: Sequence[Call], *, focused: bool) -> None:
        """Says in the title what has ended, or waits; rings and shows a notice only if the terminal is out of focus."""
        self._headline = headline(found, ascii=self._ascii)
        self._show()
        if self._begun and not focused:
            said = " ".join(one.text for one in one_by_one(found))
            self._write(BELL + notice(said, self._environment))

    def seen(self) -> None:
        """The person is back: the title says again what is under way."""
        self._headline = ""
        self._show()

    def end(self) -> str:
        """What to write last, once the app has left the terminal: the title is as it was before."""
        begun, self._begun = self._begun, False
        return restore_title() if begun else ""

    def _show(self) -> None:
        said = self._headline or (f"batchtui: {self._running:,} under way" if self._running else "batchtui")
        if self._begun and said != self._title:
            self._title = said
            self._write(title(said))
