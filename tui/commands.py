"""The one list of commands: bindings, footer, palette and help screen are all made from it."""

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
    """One thing a person can do. `id` names it in `[keys]` of config.toml; `keys` are Textual's names for them."""

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
        "open", "enter", "Open", "What is known; on a result, the whole answer",
        "Batch", _ROOMS, verb=Verb.OPEN, footer=True,
    ),
    Command(
        "new", "n", "New", "Check a file of requests and submit it",
        "Batch", _ROOMS, action="app.new", footer=True,
    ),
    Command(
        "retrieve", "r", "Retrieve", "Download and verify results of an ended batch",
        "Batch", _ROOMS, verb=Verb.RETRIEVE, footer=True,
    ),
    Command(
        "export", "e", "Export", "JSON lines, CSV, Parquet, SQLite or a file each",
        "Batch", _ROOMS, verb=Verb.EXPORT, footer=True,
    ),
    Command(
        "retry", "t", "Retry", "Send again what failed but can succeed (asks)",
        "Batch", _ROOMS, verb=Verb.RETRY,
    ),
    Command(
        "cancel", "x", "Cancel", "Cancel a running batch (asks first)",
        "Batch", _ROOMS, verb=Verb.CANCEL,
    ),
    Command(
        "forget", "D", "Forget", "Drop from this list; results stay (asks first)",
        "Batch", _ROOMS, verb=Verb.FORGET,
    ),
    Command(
        "copy", "y", "Copy", "Copy the id; on a batch, where its results are",
        "Batch", (*_ROOMS, Where.ANSWER),
    ),
    Command(
        "next", "right,l", "Next", "The next result",
        "Batch", (Where.ANSWER,), footer=True,
    ),
    Command(
        "previous", "left,h", "Previous", "The result before",
        "Batch", (Where.ANSWER,), footer=True,
    ),
    Command(
        "mark", "space", "Mark", "Mark, to act on all marked at once",
        "Batch", _TABLES,
    ),
    Command(
        "filter", "slash", "Filter", "Only what holds these words; esc drops it",
        "Table", _ROOMS, footer=True,
    ),
    Command("sort", "s", "Sort", "Sort by the next column", "Table", _TABLES),
    Command("reverse", "S", "Reverse", "Sort the other way round", "Table", _TABLES),
    Command("clear", "escape", "Clear", "Drop the filter, then the marks", "Table", (Where.BATCHES,)),
    Command("look", "R", "Look now", "Ask the API now, not only at the next time", "App", _ROOMS, action="app.look"),
    Command("pause", "p", "Pause polling", "Stop asking the API, or go on", "App", _ROOMS, action="app.pause"),
    Command("log", "L", "Activity log", "What this run did, and what went wrong", "App", _ROOMS, action="app.log"),
    Command(
        "palette", "ctrl+p,colon", "Palette", "Find any command or batch by typing",
        "App", _PAGES, action="app.command_palette", palette=False,
    ),
    Command("help", "question_mark", "Help", "These keys", "App", _PAGES, action="app.help", footer=True),
    Command(
        "quit", "q", "Quit", "Leave; batches go on at the API",
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
    Command("agree", "y", "Yes", "Do what the question names", "App", (Where.CONFIRM,), palette=False),
)  # fmt: skip


def commands(where: Where) -> tuple[Command, ...]:
    """The commands of a screen, in the order of the footer."""
    return tuple(command for command in COMMANDS if where in command.where)


def bindings(where: Where) -> list[BindingType]:
    """The `BINDINGS` of a screen. Every one has an id, so that `[keys]` can remap it through `App.set_keymap`."""
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
    """`ctrl+p,colon` as people write it: `ctrl+p :`."""
    return " ".join(_WORDS.get(key.strip(), key.strip()) for key in keys.split(","))


def key_of(name: str, keymap: Mapping[str, str]) -> str:
    """The first key of a command as people write it, where `[keys]` may have remapped it."""
    keys = keymap.get(name) or next(command.keys for command in COMMANDS if command.id == name)
    return key_words(keys.split(",")[0])


MOVING: tuple[tuple[str, str], ...] = (
    ("j k ↓ ↑", "Down and up"),
    ("g G home end", "First and last"),
    ("pgup pgdn", "A page"),
    ("click", "On a row selects, twice opens; on a column's head sorts"),
    ("shift+drag", "Selects text, in most terminals"),
)
"""What the tables themselves take: movement only, to be shown in the help."""
