"""Shown without an API key: how to set one, and what works without it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from batchtui.tui.commands import Where, bindings
from batchtui.widgets.segments import Segment, content


def lines(variable: str) -> list[list[Segment]]:
    """What to do; the key is read from `variable`."""
    return [
        [("batchtui needs an API key to submit and follow batches. Two ways to set it:", "")],
        [],
        [("  in the shell          ", "strong"), (f"export {variable}=sk-ant-…", "good")],
        [("  in a .env file here   ", "strong"), (f"{variable}=sk-ant-…", "good")],
        [],
        [("Then start batchtui again. Create keys in the Console, under API keys.", "")],
        [],
        [
            ("  without a key         ", "strong"),
            ("batchtui demo", "good"),
            ("  runs it all against a simulator", "dim"),
        ],
        [],
        [("Without one, you can still view and export what was saved before.", "dim")],
    ]


class SetupScreen(ModalScreen[None]):
    """Shown at the start if there is no key; it never blocks access to what is saved."""

    BINDINGS = bindings(Where.HELP)

    def __init__(self, variable: str) -> None:
        super().__init__()
        self._variable = variable

    def compose(self) -> ComposeResult:
        """What to do."""
        with VerticalScroll(classes="dialog page"):
            yield Static("No API key was found", classes="title", markup=False)
            yield Static(content(*lines(self._variable)), markup=False)
            yield Static("\nesc continues without a key", classes="label", markup=False)

    def action_back(self) -> None:
        """Continues without a key."""
        self.dismiss(None)
