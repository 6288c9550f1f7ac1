"""The one list of commands. Bindings, footer, palette and help screen are all built from it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct
from textual.binding import Binding, BindingType

from batchtui.core.batches.verbs import Verb


class Where(StrEnum):
    """The screens that take keys."""

    BATCHES = "batches"
    PARTS = "parts"
    BATCH = "batch"
    ANSWER = "answer"
    LOG = "log"
    HELP = "help"
    FORM = "form"
    CONFIRM = "confirm"
    TROUBLE = "trouble"


class Command(Struct, frozen=True):
    """One thing the user can do. `id` is its name in `[keys]` of config.toml; `keys` are Textual's key names."""

    id: str
    keys: str
    label: str
    help: str
    group: str
    where: tuple[Where, ...]
    action: str = ""
    verb: Verb | None = None
    footer: bool = False
    palette: bool = True

    @property
    def runs(self) -> str:
        """The Textual action: by default the screen's own `action_ID`."""
        return self.action or self.id


_TABLES = (Where.BATCHES, Where.PARTS)
_ROOMS = (*_TABLES, Where.BATCH)
_PAGES = (*_ROOMS, Where.ANSWER, Where.LOG)
_CLOSING = (Where.PARTS, Where.BATCH, Where.ANSWER, Where.LOG, Where.HELP)

COMMANDS: tuple[Command, ...] = (
    Command(
        "open", "enter", "Open", "Show details; on a result, the full answer",
        "Batch", _ROOMS, verb=Verb.OPEN, footer=True,
    ),
    Command(
        "new", "n", "New", "Check a file of requests and submit it",
        "Batch", _ROOMS, action="app.new", footer=True,
    ),
    Command(
        "retrieve", "r", "Retrieve", "Download and verify an ended batch's results",
        "Batch", _ROOMS, verb=Verb.RETRIEVE, footer=True,
    ),
    Command(
        "export", "e", "Export", "To JSON lines, CSV, Parquet, SQLite or files",
        "Batch", _ROOMS, verb=Verb.EXPORT, footer=True,
    ),
    Command(
        "retry", "t", "Retry", "Resend what failed, kind by kind (asks first)",
        "Batch", _ROOMS, verb=Verb.RETRY,
    ),
    Command(
        "cancel", "x", "Cancel", "Cancel a running batch (asks first)",
        "Batch", _ROOMS, verb=Verb.CANCEL,
    ),
    Command(
        "forget", "D", "Forget", "Remove from list; results stay (asks first)",
        "Batch", _ROOMS, verb=Verb.FORGET,
    ),
    Command(
        "delete", "X", "Delete copy", "The API's copy of results here (asks first)",
        "Batch", _ROOMS, verb=Verb.DELETE,
    ),
    Command(
        "copy", "y", "Copy", "Copy the id; in a batch, the results path",
        "Batch", (*_ROOMS, Where.ANSWER),
    ),
    Command(
        "next", "right,l", "Next", "The next result",
        "Batch", (Where.ANSWER,), footer=True,
    ),
    Command(
        "previous", "left,h", "Previous", "The previous result",
        "Batch", (Where.ANSWER,), footer=True,
    ),
    Command(
        "mark", "space", "Mark", "Mark rows to act on all of them at once",
        "Batch", _TABLES,
    ),
    Command(
        "filter", "slash", "Filter", "Show only rows with these words; esc clears",
        "Table", _ROOMS, footer=True,
    ),
    Command("sort", "s", "Sort", "Sort by the next column", "Table", _TABLES),
    Command("reverse", "S", "Reverse", "Reverse the sort order", "Table", _TABLES),
    Command("clear", "escape", "Clear", "Clear the filter, then the marks", "Table", (Where.BATCHES,)),
    Command("look", "R", "Poll now", "Poll the API now instead of waiting", "App", _ROOMS, action="app.look"),
    Command("pause", "p", "Pause polling", "Stop polling the API, or resume", "App", _ROOMS, action="app.pause"),
    Command("log", "L", "Activity log", "What this run did, and what went wrong", "App", _ROOMS, action="app.log"),
    Command(
        "palette", "ctrl+p,colon", "Palette", "Find any command or batch by typing",
        "App", _PAGES, action="app.command_palette", palette=False,
    ),
    Command("help", "question_mark", "Help", "Show these keys", "App", _PAGES, action="app.help", footer=True),
    Command(
        "quit", "q", "Quit", "Quit; batches keep running at the API",
        "App", (Where.BATCHES, Where.TROUBLE), action="app.quit", footer=True,
    ),
    Command("back", "escape,q", "Back", "Back to where you were", "App", _CLOSING, footer=True, palette=False),
    Command(
        "close_help", "question_mark", "Close", "Close the help",
        "App", (Where.HELP,), action="back", palette=False,
    ),
    Command(
        "dismiss", "escape", "Back", "Leave the form",
        "App", (Where.FORM, Where.CONFIRM), action="dismiss_form", footer=True, palette=False,
    ),
    Command("agree", "y", "Yes", "Do what the question asks", "App", (Where.CONFIRM,), palette=False),
)  # fmt: skip


def commands(where: Where) -> tuple[Command, ...]:
    """The commands of a screen, in footer order."""
    return tuple(command for command in COMMANDS if where in command.where)


def bindings(where: Where) -> list[BindingType]:
    """The `BINDINGS` of a screen. Each has an id, so that `[keys]` can remap it through `App.set_keymap`."""
    return [
        Binding(
            command.keys,
            command.runs,
            command.label,
            id=command.id,
            show=command.footer,
            key_display=key_words(command.keys.split(",")[0]),
            tooltip=command.help,
        )
        for command in commands(where)
    ]


_WORDS = {"slash": "/", "question_mark": "?", "colon": ":", "escape": "esc", "right": "→", "left": "←"}


def key_words(keys: str) -> str:
    """`ctrl+p,colon` as it is shown: `ctrl+p :`."""
    return " ".join(_WORDS.get(key.strip(), key.strip()) for key in keys.split(","))


def key_of(name: str, keymap: Mapping[str, str]) -> str:
    """The first key of a command as it is shown; `[keys]` may have remapped it."""
    keys = keymap.get(name) or next(command.keys for command in COMMANDS if command.id == name)
    return key_words(keys.split(",")[0])


MOVING: tuple[tuple[str, str], ...] = (
    ("j k ↓ ↑", "Down and up"),
    ("g G home end", "First and last"),
    ("pgup pgdn", "A page"),
    ("click", "Selects a row, twice opens it; on a header, sorts"),
    ("shift+drag", "Selects text, in most terminals"),
)
"""The keys that the tables handle themselves: movement only, shown in the help."""
