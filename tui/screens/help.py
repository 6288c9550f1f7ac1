"""The keys, from the one list of commands."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from batchtui.tui.commands import COMMANDS, MOVING, Where, bindings, key_of, key_words
from batchtui.widgets.listing import Item, Listing

EXAMPLE = 'retrieve = "f5"'
"""An example of a line under [keys]."""

_SHOWN = tuple(command for command in COMMANDS if command.where[0] in (Where.BATCHES, Where.BATCH, Where.ANSWER))


def lines(keymap: dict[str, str]) -> list[Item]:
    """The help by group; `keymap` remaps the keys."""
    items: list[Item] = []
    for group in dict.fromkeys(command.group for command in _SHOWN):
        items.append(([(group, "strong")], ("", "")))
        for command in _SHOWN:
            if command.group == group:
                keys = key_words(keymap.get(command.id, command.keys))
                items.append(([(f"  {keys:<11}", "good"), (f"{command.label:<14}", "")], (command.help, "dim")))
        items.append(([], ("", "")))
    items.append(([("Moving", "strong")], ("", "")))
    items += [([(f"  {keys:<19}", "good")], (what, "dim")) for keys, what in MOVING]
    return items


class HelpScreen(ModalScreen[None]):
    """All keys. Closes on esc, q or ?."""

    BINDINGS = bindings(Where.HELP)

    def __init__(self, keymap: dict[str, str]) -> None:
        super().__init__()
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        """The list, and how to remap the keys."""
        names = ", ".join(command.id for command in _SHOWN)
        with VerticalScroll(classes="dialog page") as page:
            page.border_subtitle = f"{key_of('back', self._keymap)} closes"
            yield Static("Keys", classes="title", markup=False)
            yield Listing(lines(self._keymap))
            yield Static(
                f"\n[keys] in config.toml remaps them, for example: {EXAMPLE}\nNames under [keys]: {names}",
                classes="label",
                markup=False,
            )

    def action_back(self) -> None:
        """Closes the help."""
        self.dismiss(None)
