"""The baseline for the first paint, in a module of its own so that it imports nothing else."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static

WORD = "nightly-eval-00"
"""As much of the first batch's name as its table row has room for."""


class Empty(App[None]):
    """A Textual app with one word."""

    def compose(self) -> ComposeResult:
        yield Static(WORD)
