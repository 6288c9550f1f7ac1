"""The line for typing a filter."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static


class _Words(Input):
    """The input field; the footer shows what enter does in it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", "Keep", key_display="enter", id="filter.keep")]


class FilterBar(Horizontal):
    """Hidden until `open()`; `about` says what can be typed.

    Every change posts `Changed`; enter keeps the filter, esc clears it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "drop", "Clear", key_display="esc", id="filter.drop")]

    DEFAULT_CSS = """
    FilterBar {
        height: 1;
        display: none;
        &.-open { display: block; }
        & > Static { width: auto; color: $text-warning; text-style: bold; }
        & > #found { padding: 0 1; text-style: none; }
        & > Input { height: 1; border: none; padding: 0; width: 1fr; background: transparent; }
        & > Input:focus { border: none; }
    }
    """

    class Changed(Message):
        """The filter is now `text`."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Closed(Message):
        """The user is done typing: `keep` the filter, or clear it."""

        def __init__(self, keep: bool) -> None:
            super().__init__()
            self.keep = keep

    def __init__(self, about: str, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._about = about

    def compose(self) -> ComposeResult:
        yield Static("/", markup=False)
        yield _Words(placeholder=self._about, select_on_focus=False)
        yield Static("", id="found", markup=False)

    @property
    def text(self) -> str:
        """The filter as typed."""
        return self.query_one(Input).value

    def found(self, text: str) -> None:
        """Shows at the end of the line how much the filter matches."""
        self.query_one("#found", Static).update(text)

    def open(self) -> None:
        """Shows the line and focuses it."""
        self.add_class("-open")
        self.query_one(Input).focus()

    def clear(self) -> None:
        """Clears the filter and hides the line."""
        self.query_one(Input).value = ""
        self.remove_class("-open")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _keep(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value:
            self.remove_class("-open")
        self.post_message(self.Closed(keep=True))

    def action_drop(self) -> None:
        """Handles esc."""
        self.clear()
        self.post_message(self.Closed(keep=False))
