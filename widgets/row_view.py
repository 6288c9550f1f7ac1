"""Rows known by their keys, with a cursor and marks, scrolling below one header line. Handles where rows are, not how
they look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView


class RowView(ScrollView, can_focus=True, inherit_bindings=False):
    """The cursor and the marks stay with their keys when rows move. Only movement keys are bound."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "down", "Down", show=False, id="table.down"),
        Binding("up,k", "up", "Up", show=False, id="table.up"),
        Binding("pagedown", "page_down", "Page down", show=False, id="table.page_down"),
        Binding("pageup", "page_up", "Page up", show=False, id="table.page_up"),
        Binding("home,g", "first", "First", show=False, id="table.first"),
        Binding("end,G", "last", "Last", show=False, id="table.last"),
    ]

    class RowMessage(Message):
        """A message about one row or one column of `table`."""

        def __init__(self, table: RowView, key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> RowView:
            """The widget that `@on` selects by."""
            return self.table

    class Highlighted(RowMessage, namespace="line_table"):
        """The cursor has moved to another row: `key`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self.marked: set[str] = set()
        self._keys: Sequence[str] = ()
        self._rows: dict[str, int] | None = {}
        self._cursor = 0
        self._chosen: str | None = None

    @property
    def row_count(self) -> int:
        """How many rows there are, in view or not."""
        return len(self._keys)

    @property
    def cursor_key(self) -> str | None:
        """The key under the cursor; None if there are no rows."""
        return self._keys[self._cursor] if self._cursor < len(self._keys) else None

    @property
    def visible_keys(self) -> Sequence[str]:
        """The keys of the rows in view."""
        return self._keys[self._top : self._top + self._page]

    def move_to(self, key: str) -> None:
        """Puts the cursor on a row, if the row exists."""
        row = self._row(key)
        if row is not None:
            self._move(row)

    def clear_marks(self) -> None:
        """Unmarks every row."""
        marked, self.marked = self.marked, set()
        for key in marked:
            self._repaint(self._row(key))

    @property
    def _top(self) -> int:
        """The first row in view."""
        return round(self.scroll_y)

    @property
    def _page(self) -> int:
        """How many rows fit in view."""
        return max(self.size.height - 1, 0)

    @property
    def _cursor_seen(self) -> bool:
        return 0 <= self._cursor - self._top < self._page

    def _row(self, key: str | None) -> int | None:
        if self._rows is None:
            self._rows = {known: row for row, known in enumerate(self._keys)}
        return self._rows.get(key) if key is not None else None

    def _replace_keys(self, keys: Sequence[str]) -> None:
        """Takes new rows. The cursor goes where the user last put it, else stays on its key, else on its line."""
        before, was_at, was_seen = self.cursor_key, self._cursor, self._cursor_seen
        if keys != self._keys:
            self._keys, self._rows = keys, None
            self.virtual_size = Size(1, len(keys) + 1)
            known = (row for key in (self._chosen, before) if (row := self._row(key)) is not None)
            self._cursor = max(min(next(known, was_at), len(keys) - 1), 0)
        if was_seen and self._top > 0:
            self.scroll_to(y=self._top + self._cursor - was_at, animate=False, force=True)
            self._reveal()
        if self.cursor_key is not None and self.cursor_key != before:
            self.post_message(self.Highlighted(self, self.cursor_key))

    def _repaint(self, row: int | None) -> None:
        """Paints the line of one row again, if it is in view."""
        if row is not None and 0 <= row - self._top < self._page:
            self.refresh_line(row + 1)

    def _move(self, row: int) -> None:
        if not self._keys:
            return
        row = max(min(row, len(self._keys) - 1), 0)
        self._chosen = self._keys[row]
        if row != self._cursor:
            before, self._cursor = self._cursor, row
            self._repaint(before)
            self._repaint(row)
            self.post_message(self.Highlighted(self, self._keys[row]))
        self._reveal()

    def _reveal(self) -> None:
        """Scrolls as little as needed to bring the cursor into view."""
        if self._page and not self._cursor_seen:
            above = self._cursor < self._top
            self.scroll_to(y=self._cursor if above else self._cursor - self._page + 1, animate=False, force=True)

    def on_resize(self) -> None:
        self._reveal()

    def action_down(self) -> None:
        self._move(self._cursor + 1)

    def action_up(self) -> None:
        self._move(self._cursor - 1)

    def action_page_down(self) -> None:
        self._move(self._cursor + max(self._page - 1, 1))

    def action_page_up(self) -> None:
        self._move(self._cursor - max(self._page - 1, 1))

    def action_first(self) -> None:
        self._move(0)

    def action_last(self) -> None:
        self._move(len(self._keys) - 1)

    def action_mark(self) -> None:
        """Marks the row under the cursor, or unmarks it, and steps down."""
        key = self.cursor_key
        if key is None:
            return
        self.marked ^= {key}
        self._repaint(self._cursor)
        self._move(self._cursor + 1)
