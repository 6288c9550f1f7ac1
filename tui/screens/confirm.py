"""A question before something is lost. The safe answer has the focus, so enter gives that one."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from batchtui.core.text import inert
from batchtui.tui.commands import Where, bindings


class ConfirmScreen(ModalScreen[bool]):
    """Names what is affected and what is lost. True only after `y` or a click on the button that acts."""

    BINDINGS = bindings(Where.CONFIRM)

    def __init__(self, question: str, act: str, safe: str) -> None:
        super().__init__()
        self._question = question
        self._act = act
        self._safe = safe

    def compose(self) -> ComposeResult:
        """The question and the two answers."""
        with Vertical(classes="dialog"):
            yield Static(inert(self._question), id="question", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(Content(f"{self._safe}  esc"), id="safe")
                yield Button(Content(f"{self._act}  y"), id="act", variant="error")

    def on_mount(self) -> None:
        """Puts the focus on the answer that loses nothing."""
        self.query_one("#safe", Button).focus()

    @on(Button.Pressed, "#act")
    def action_agree(self) -> None:
        """Yes."""
        self.dismiss(result=True)

    @on(Button.Pressed, "#safe")
    def action_dismiss_form(self) -> None:
        """No."""
        self.dismiss(result=False)
