"""Decides which columns of a table fit into a width, and how wide each one is."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

GAP = 2
"""Cells between two columns."""


class Column(Struct, frozen=True):
    """A column of `width` cells: up to `most` if `flex` is set, and down to `least` on a very narrow screen.

    A column with `keep` 0 is never dropped; the higher the number, the sooner it is dropped.
    """

    key: str
    label: str
    width: int
    keep: int = 0
    align: str = "left"
    flex: bool = False
    least: int = 0
    most: int = 1_000


class Placed(Struct, frozen=True):
    """A column with its position: `x` counts from the left edge of the first column."""

    column: Column
    x: int
    width: int


def layout(columns: Sequence[Column], width: int) -> tuple[Placed, ...]:
    """The columns that fit into `width` cells, in order; spare cells go to the flexible ones."""
    kept = list(columns)
    while _needed(kept) > width and any(column.keep for column in kept):
        worst = max(column.keep for column in kept)
        kept.remove(next(column for column in reversed(kept) if column.keep == worst))
    spare = width - _needed(kept)
    placed, x = [], 0
    for column, cells in zip(kept, _shrunk(kept, -spare) if spare < 0 else _grown(kept, spare), strict=True):
        placed.append(Placed(column, x, cells))
        x += cells + GAP
    return tuple(placed)


def _needed(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * max(len(columns) - 1, 0)


def _grown(columns: Sequence[Column], spare: int) -> list[int]:
    """Gives `spare` cells to the flexible columns, each one to the column that has gained least so far."""
    widths = [column.width for column in columns]
    for _ in range(spare):
        open_ = [index for index, column in enumerate(columns) if column.flex and widths[index] < column.most]
        if not open_:
            break
        widths[min(open_, key=lambda index: widths[index] - columns[index].width)] += 1
    return widths


def _shrunk(columns: Sequence[Column], missing: int) -> list[int]:
    """Takes `missing` cells from the columns that may shrink, each one from the column with most to give."""
    widths = [column.width for column in columns]
    give = [column.width - column.least if column.least else 0 for column in columns]
    for _ in range(min(missing, sum(give))):
        index = give.index(max(give))
        widths[index] -= 1
        give[index] -= 1
    return widths
