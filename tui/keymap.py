"""Checks `[keys]` in config.toml: a key that a table handles first would do nothing, and nobody would know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual.binding import Binding

from batchtui.tui.commands import COMMANDS, Where
from batchtui.widgets.detail import BatchDetail
from batchtui.widgets.row_view import RowView

_IN_FOCUS = tuple(
    one for widget in (BatchDetail, RowView) for one in widget.BINDINGS if isinstance(one, Binding) and one.id
)
_ROOMS = frozenset({Where.BATCHES, Where.PARTS, Where.BATCH})


def faults(keymap: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields each fault and what to do about it."""
    known = {command.id: command for command in COMMANDS}
    moving = {key: str(one.id) for one in _IN_FOCUS for key in _keys(keymap.get(str(one.id), one.key))}
    for name, keys in keymap.items():
        if "." not in name and name not in known:
            yield f"[keys] in config.toml: no command is called {name}.", "The help lists the names under [keys]."
        elif name in known and _ROOMS.intersection(known[name].where):
            for key in _keys(keys):
                if key in moving:
                    yield (
                        f"[keys] in config.toml gives {name} the key {key}, which moves in the table.",
                        f'Choose another, or move with another: "{moving[key]}" = "…"',
                    )


def _keys(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",")]
