"""Writes one Parquet file with typed columns, a row group at a time. Needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from batchtui.core.errors import BadInput
from batchtui.core.outputs.columns import Asked, Table, records, table
from batchtui.core.outputs.failed_rows import FailedRows, name_for
from batchtui.core.outputs.reading import Missing, Reading, Value, words
from batchtui.core.outputs.staging import staged
from batchtui.core.outputs.target import Options, Work, Written, only_a_file
from batchtui.core.results.answers import Answers

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

_GROUP = 10_000
"""Rows per row group: with answers of a few kB each, tens of MB in memory."""

_RANGE = 1 << 63


class ParquetOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`columns` is the same as for csv."""

    columns: Asked = msgspec.field(default_factory=dict)


def importable() -> None:
    """Raises BadInput if pyarrow is not installed."""
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: F401 - 0.3 s, and an extra
    except ImportError as error:
        raise BadInput("Parquet needs pyarrow, which is not installed.", "pip install 'batchtui[parquet]'") from error


def write(answers: Answers, work: Work, options: ParquetOptions) -> Written:
    """Writes a record for each result; with `columns`, for each answer that fits.

    A first pass over the answers finds the type of each column: int64, double, bool, timestamp, else string. Mixed
    types become double if they are all numbers, else strings: texts unchanged, everything else as JSON.
    """
    importable()
    import pyarrow as pa
    import pyarrow.parquet as pq

    only_a_file(work.path)
    asked = table(answers, options.columns, options.take)
    schema = _schema(answers, asked, work)
    count = 0
    with staged(work.path.parent, work.there, work.guard, work.note) as stage:
        stage.free([work.path.name])
        left = FailedRows(stage, name_for(work.path), work.unfit)
        with pq.ParquetWriter(stage.file(work.path.name), schema, compression="zstd") as writer:
            rows = records(answers, asked, work, left)
            while group := list(islice(rows, _GROUP)):
                arrays = [
                    pa.array(_typed(cells, field.type), field.type)
                    for cells, field in zip(zip(*group, strict=True), schema, strict=True)
                ]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                count += len(group)
    return Written(count)


def _schema(answers: Answers, asked: Table, work: Work) -> pa.Schema:
    import pyarrow as pa

    kinds: list[set[type]] = [set() for _ in asked.columns]
    takes = [column.take for column in asked.columns]
    for answer in answers:
        if asked.every or asked.takes(answer):
            reading = Reading(answer, work.now)
            try:
                record = [take(reading) for take in takes]
            except Missing:
                continue
            for seen, value in zip(kinds, record, strict=True):
                seen.add(_kind(value))
    types: dict[frozenset[type], pa.DataType] = {
        frozenset({int}): pa.int64(),
        frozenset({float}): pa.float64(),
        frozenset({int, float}): pa.float64(),
        frozenset({bool}): pa.bool_(),
        frozenset({datetime}): pa.timestamp("us", tz="UTC"),
    }
    if_empty = {"INTEGER": pa.int64()}

    def type_of(declared: str, seen: frozenset[type]) -> pa.DataType:
        return types.get(seen, pa.string()) if seen else if_empty.get(declared, pa.string())

    return pa.schema(
        [
            (column.name, type_of(column.type, frozenset(seen - {type(None)})))
            for column, seen in zip(asked.columns, kinds, strict=True)
        ]
    )


def _kind(value: Value) -> type:
    """The type of a value; whole numbers that do not fit into int64 count as text."""
    return str if type(value) is int and not -_RANGE <= value < _RANGE else type(value)


def _typed(cells: tuple[Value, ...], kind: pa.DataType) -> Iterator[Any]:
    import pyarrow as pa

    if kind == pa.string():
        return (None if cell is None else words(cell) for cell in cells)
    if kind == pa.float64():
        return (None if cell is None else float(cell) for cell in cells)
    return (cell.astimezone(UTC) if isinstance(cell, datetime) else cell for cell in cells)
