"""Shown in place of an empty table: why it is empty, and what to press."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from textual.widgets import Static

from batchtui.core.text import inert_line, plural
from batchtui.widgets.segments import Segment, content

Line: TypeAlias = Sequence[Segment]

EXAMPLE = '{"custom_id": "note-1", "params": {"model": "claude-sonnet-5-5", "max_tokens": 500, "messages": [...]}}'
"""A sample line of an input file."""


def no_batches(new: str = "n") -> tuple[Line, ...]:
    """Nothing was ever sent from here; `new` is the key that starts a batch."""
    return (
        (("No batches yet", "strong"),),
        (),
        (("Press ", ""), (new, "strong"), (" and give a file with one JSON request per line:", "")),
        ((EXAMPLE, "dim"),),
        (),
        (("The file is checked before anything is sent. ", ""), ("batchtui demo", "strong"), (" shows it all", "")),
        (("without a key and at no cost.", ""),),
    )


def no_matches(text: str, total: int) -> tuple[Line, ...]:
    """The filter matches nothing."""
    return (
        (("Nothing matches ", "strong"), (inert_line(text, 40), "warn")),
        (),
        (
            (plural(total, "batch is", "batches are"), ""),
            (" hidden. ", ""),
            ("esc", "strong"),
            (" clears the filter.", ""),
        ),
    )


def no_key(variable: str = "ANTHROPIC_API_KEY", new: str = "n") -> tuple[Line, ...]:
    """No API key was found; saved batches can still be viewed."""
    return (
        (("No API key", "strong"),),
        (),
        (("Nothing can be sent or polled without one. Set it and restart:", ""),),
        ((f"export {inert_line(variable, 60)}=...", "strong"),),
        (("or put the same line, without `export`, into a file named .env in this folder.", ""),),
        (),
        (("batchtui demo", "strong"), (" shows it all without a key. ", ""), (new, "strong"), (" checks a file.", "")),
    )


class Empty(Static):
    """A few centred lines."""

    DEFAULT_CSS = """
    Empty { width: 1fr; height: 1fr; content-align: center middle; text-align: center; padding: 0 2; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(markup=False, id=id, classes=classes)

    def show(self, lines: Sequence[Line]) -> None:
        """Shows `no_batches()`, `no_matches(...)` or `no_key()`."""
        self.update(content(*lines))
