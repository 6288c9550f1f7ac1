"""No key yet: how to set one, and what works without."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from batchtui.tui.commands import Where, bindings
from batchtui.widgets.segments import Segment, content


def lines(variable: str) -> list[list[Segment]]:
    """What to do, where the key is looked for in `variable`."""
    return [
        [("batchtui needs an API key to submit batches and to follow them. Either:", "")],
        [],
        [("  in the shell          ", "strong"), (f"export {variable}=sk-ant-…", "good")],
        [("  in a file .env here   ", "strong"), (f"{variable}=sk-ant-…", "good")],
        [],
        [("and start it again. Keys are made in the Console, under API keys.", "")],
        [],
        [
            ("  without a key         ", "strong"),
            ("batchtui demo", "good"),
            ("  plays it all against a simulator", "dim"),
        ],
        [],
        [("What was saved before can be looked at and exported without one.", "dim")],
    ]


class SetupScreen(ModalScreen[None]):
    """Shown at the start without a key; it never stands in the way of what is saved."""

    BINDINGS = bindings(Where.HELP)

    def __init__(self, variable: str) -> None:
        super().__init__()
        self._variable = variable

    def compose(self) -> ComposeResult:
        """The three ways."""
        with VerticalScroll(classes="dialog page"):
            yield Static("No API key was found", classes="title", markup=False)
            yield Static(content(*lines(self._variable)), markup=False)
            yield Static("\nesc goes on without", classes="label", markup=False)

    def action_back(self) -> None:
        """Goes on without a key."""
        self.dismiss(None)
