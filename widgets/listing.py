"""Lines with a head and a text: the text wraps beside its head, or goes below it if there is little room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from textual.content import Content
from textual.widgets import Static

from batchtui.widgets.segments import Segment, cells, content

Item: TypeAlias = tuple[Sequence[Segment], Segment]
"""The head, and the text beside it."""

_BESIDE = 16
"""If fewer cells are left for the text, it goes below its head."""

_BELOW = 4


class Listing(Static):
    """Items, one below the other, wrapped again for each width."""

    def __init__(self, items: Iterable[Item], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__("", markup=False, id=id)
        self._items = tuple(items)

    def show(self, items: Iterable[Item]) -> None:
        """Shows other items."""
        self._items = tuple(items)
        self.on_resize()

    def on_resize(self) -> None:
        if self.size.width:
            self.update(content(*hanging(self._items, self.size.width)))


def hanging(items: Iterable[Item], width: int) -> list[list[Segment]]:
    """The items as lines of at most `width` cells."""
    drawn: list[list[Segment]] = []
    for head, (text, tone) in items:
        indent = cells(head)
        line = list(head)
        if text and width - indent < _BESIDE:
            drawn.append(line)
            indent, line = _BELOW, [(" " * _BELOW, "")]
        for piece in Content(text).wrap(max(width - indent, 1)) if text else [Content("")]:
            drawn.append([*line, (piece.plain.rstrip(), tone)])
            line = [(" " * indent, "")]
    return drawn
