"""The keys, from the one list of commands."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from batchtui.tui.commands import COMMANDS, MOVING, Where, bindings, key_words
from batchtui.widgets.segments import Segment, content


def lines(keymap: dict[str, str]) -> list[list[Segment]]:
    """The help by group, with the keys as `keymap` remaps them."""
    shown = [command for command in COMMANDS if command.where[0] in (Where.BATCHES, Where.BATCH)]
    text: list[list[Segment]] = []
    for group in dict.fromkeys(command.group for command in shown):
        text.append([(group, "strong")])
        for command in shown:
            if command.group == group:
                keys = key_words(keymap.get(command.id, command.keys))
                text.append([(f"  {keys:<11}", "good"), (f"{command.label:<14}", ""), (command.help, "dim")])
        text.append([])
    text.append([("Moving", "strong")])
    text += [[(f"  {keys:<19}", "good"), (what, "dim")] for keys, what in MOVING]
    return text


class HelpScreen(ModalScreen[None]):
    """All keys, closed by esc, q or ?."""

    BINDINGS = bindings(Where.HELP)

    def __init__(self, keymap: dict[str, str]) -> None:
        super().__init__()
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        """The list, and how to remap it."""
        with VerticalScroll(classes="dialog page"):
            yield Static("Keys", classes="title", markup=False)
            yield Static(content(*lines(self._keymap)), markup=False)
            yield Static(
                '\n[keys] in config.toml remaps them, for instance: retrieve = "g"', classes="label", markup=False
            )

    def action_back(self) -> None:
        """Closes the help."""
        self.dismiss(None)
