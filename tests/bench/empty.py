"""What the first paint is measured against, alone in its module so that it imports nothing else."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static

WORD = "nightly-eval-00"
"""As much of the first batch's name as its row of the table has room for."""


class Empty(App[None]):
    """Textual and one word."""

    def compose(self) -> ComposeResult:
        yield Static(WORD)
