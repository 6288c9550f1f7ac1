"""Reads Parquet cells as Python values, also those that Python has no exact type for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from batchtui.core.text import inert_line

Cells = dict[str, Any]


class Unreadable(Struct, frozen=True):
    """A cell that cannot be read, and why."""

    why: str


def rows(batch: Any) -> Iterator[Cells]:
    """The rows of a pyarrow.RecordBatch, by column.

    A time finer than a microsecond, or beyond the year 9999, is text: Python has no type for it.
    """
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    for cells in zip(*columns, strict=True):
        yield dict(zip(names, cells, strict=True))


def _values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except Exception:  # noqa: BLE001 - of many kinds: one cell is enough, so each is read by itself
        return [_value(cell) for cell in column]
    return values


def _value(cell: Any) -> Any:
    try:
        return cell.as_py()
    except Exception as error:  # noqa: BLE001 - a text that is not UTF-8, an unknown time zone, a time out of range
        why = inert_line(str(error) or type(error).__name__, 200)
    try:
        is_time = str(cell.type).startswith(("timestamp", "time64", "date"))
        return cell.cast("string").as_py() if is_time else Unreadable(why)
    except Exception:  # noqa: BLE001 - as above
        return Unreadable(why)
