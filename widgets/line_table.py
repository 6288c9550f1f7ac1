"""A table for a hundred thousand rows: only visible rows are fetched and drawn, and a row can repaint on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from rich.segment import Segment as RichSegment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.reactive import reactive
from textual.strip import Strip

from batchtui.widgets.colours import legible
from batchtui.widgets.columns import GAP, Column, Placed, layout
from batchtui.widgets.row_view import RowView
from batchtui.widgets.segments import TONES, Segment, fit

Cells = Mapping[str, Sequence[Segment]]
"""The contents of a row, by column key. A column without an entry stays empty."""

_GUTTER = 3
"""Cells left of the first column: the cursor's edge, the mark, a space."""

_KINDS = ("row", "cursor", "marked")


class LineTable(RowView):
    """Columns over keyed rows. The screen binds `enter`; a double click posts `Opened`."""

    ALLOW_SELECT = False

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"line-table--{tone}" for tone in TONES if tone),
        *(f"line-table--{kind}" for kind in ("header", *_KINDS)),
    }

    DEFAULT_CSS = """
    LineTable {
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .line-table--header { text-style: bold; background: $panel; color: $foreground; }
        & > .line-table--cursor { background: $primary 15%; text-style: bold; }
        & > .line-table--marked { background: $secondary 15%; }
        & > .line-table--good { color: $text-primary; }
        & > .line-table--moving { color: $text-warning; }
        & > .line-table--bad { color: $text-error; }
        & > .line-table--warn { color: $text-warning; text-style: bold; }
        & > .line-table--dim { color: $foreground 70%; }
        & > .line-table--strong { text-style: bold; }
        &:focus > .line-table--cursor { background: $primary 30%; }
        &:ansi > .line-table--cursor { background: ansi_default; text-style: bold reverse; }
        &:nocolor > .line-table--cursor { text-style: bold reverse; }
        &:nocolor > .line-table--bad { text-style: bold; }
    }
    """

    sort_column: reactive[str | None] = reactive(None)
    """The key of the column that shows the sort arrow."""

    sort_reverse: reactive[bool] = reactive(default=False)
    """Whether the arrow points down."""

    class Opened(RowView.RowMessage, namespace="line_table"):
        """A row was double-clicked: `key`."""

    class SortRequested(RowView.RowMessage, namespace="line_table"):
        """The header of a column was clicked."""

        @property
        def column_key(self) -> str:
            return self.key

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        ascii: bool = False,  # noqa: A002 - it says what it does
        id: str | None = None,  # noqa: A002 - Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.columns = tuple(columns)
        self.ascii = ascii
        self._cells: Callable[[str], Cells] | None = None
        self._placed: tuple[Placed, ...] = ()
        self._placed_for = -1
        self._lines: LRUCache[str, tuple[Segment, ...]] = LRUCache(512)
        self._strips: LRUCache[tuple[str, str, bool], Strip] = LRUCache(512)
        self._blends: dict[tuple[str, str], Style] = {}

    def set_rows(self, keys: Sequence[str], cells: Callable[[str], Cells]) -> None:
        """Shows these rows. `cells` is called for a row when it comes into view, and its result is cached.

        With the same `cells` as before, drawn rows stay; call `refresh_row` for the ones that changed. The cursor stays
        on its key and on its screen line; if the key is gone, it is on the nearest row until the key is back.
        """
        if cells != self._cells:
            self._forget_drawn()
            self._cells = cells
        self._replace_keys(keys)
        self.refresh()

    def refresh_row(self, key: str) -> None:
        """Gets the cells of one row again when it is in view, and repaints only its line."""
        self.refresh_rows((key,))

    def refresh_rows(self, keys: Iterable[str] | None = None) -> None:
        """Refreshes several rows; None means all of them."""
        if keys is None:
            self._forget_drawn()
            self.refresh()
            return
        seen = set(self.visible_keys)
        for key in keys:
            if key in self._lines:
                self._lines.discard(key)
                for kind in _KINDS:
                    self._strips.discard((key, kind, False))
                    self._strips.discard((key, kind, True))
            if key in seen:
                self._repaint(self._row(key))

    def width_of(self, column_key: str) -> int:
        """The current width of a column in cells; 0 if it is dropped."""
        return next((placed.width for placed in self._columns() if placed.column.key == column_key), 0)

    @property
    def shown_columns(self) -> list[str]:
        """The keys of the columns that are shown now."""
        return [placed.column.key for placed in self._columns()]

    def on_click(self, event: events.Click) -> None:
        at = event.get_content_offset(self)
        if at is None:
            return
        if at.y == 0:
            for placed in self._columns():
                if 0 <= at.x - _GUTTER - placed.x < placed.width + GAP:
                    self.post_message(self.SortRequested(self, placed.column.key))
            return
        row = at.y - 1 + self._top
        if row >= len(self._keys):
            return
        if event.chain == 2 and row == self._cursor:  # rows may have moved between the two clicks
            self.post_message(self.Opened(self, self._keys[row]))
        else:
            self._move(row)

    def notify_style_update(self) -> None:
        """Clears cached styles when colours change, as with the theme or the focus."""
        super().notify_style_update()
        self._blends.clear()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """Line 0 is the header; the rows scroll below it."""
        width = self.scrollable_content_region.width
        self._columns()
        if y == 0:
            return self._strip(self._header(), "header", width)
        row = y - 1 + self._top
        if row >= len(self._keys):
            return Strip.blank(width, self._blend("row", ""))
        key = self._keys[row]
        marked = key in self.marked
        kind = "cursor" if row == self._cursor else "marked" if marked else "row"
        strip = self._strips.get((key, kind, marked))
        if strip is None:
            strip = self._strip((*self._edge(kind, marked), *self._line(key)), kind, width)
            self._strips.set((key, kind, marked), strip)
        return strip

    def _edge(self, kind: str, marked: bool) -> tuple[Segment, Segment]:
        cursor, mark = ("|", "+") if self.ascii else ("▌", "•")
        return (cursor if kind == "cursor" else " ", "good"), (f"{mark if marked else ' '} ", "warn")

    def _forget_drawn(self) -> None:
        self._lines.clear()
        self._strips.clear()

    def _columns(self) -> tuple[Placed, ...]:
        width = self.scrollable_content_region.width
        if width != self._placed_for:
            self._placed_for = width
            self._placed = layout(self.columns, max(width - _GUTTER, 0))
            self._forget_drawn()
        return self._placed

    def _line(self, key: str) -> tuple[Segment, ...]:
        line = self._lines.get(key)
        if line is None:
            line = self._joined(self._cells(key) if self._cells else {})
            self._lines.set(key, line)
        return line

    def _header(self) -> tuple[Segment, ...]:
        up, down = ("^", "v") if self.ascii else ("▲", "▼")
        arrow = down if self.sort_reverse else up
        header: list[Segment] = [(" " * _GUTTER, "")]
        for placed in self._placed:
            name, right = placed.column.label, placed.column.align == "right"
            if placed.column.key == self.sort_column:
                name = f"{arrow}{name}" if right else f"{name} {arrow}"
            gap = GAP if placed.x else 0
            if right:  # if the column has no room for the arrow, it goes into the gap before it
                header += fit(((name, ""),), gap + placed.width, "right")
            else:
                header += ((" " * gap, ""), *fit(((name, ""),), placed.width))
        return tuple(header)

    def _joined(self, cells: Cells) -> tuple[Segment, ...]:
        joined: list[Segment] = []
        for placed in self._placed:
            joined += ((" " * GAP, ""),) if joined else ()
            joined += fit(cells.get(placed.column.key, ()), placed.width, placed.column.align)
        return tuple(joined)

    def _strip(self, segments: Sequence[Segment], kind: str, width: int) -> Strip:
        drawn = [RichSegment(text, self._blend(kind, tone)) for text, tone in segments if text]
        return Strip(drawn).adjust_cell_length(width, self._blend(kind, ""))

    def _blend(self, kind: str, tone: str) -> Style:
        """The style of a tone on a kind of row; a translucent background blends with the one below."""
        style = self._blends.get((kind, tone))
        if style is None:
            _, _, back, front = self.colors
            text_style = Style.null()
            for name in (kind, tone) if tone else (kind,):
                part = self.get_component_styles(f"line-table--{name}")
                back += part.background
                front = part.color if part.has_rule("color") else front
                text_style += part.text_style
            style = Style.from_color(legible(back + front, back).rich_color, back.rich_color) + text_style
            self._blends[kind, tone] = style
        return style
