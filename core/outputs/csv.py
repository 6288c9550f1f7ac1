"""Writes the results as a table for spreadsheets: RFC 4180, UTF-8, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from itertools import repeat

import msgspec

from batchtui.core.outputs.columns import EVERY, Asked, Column, records, table
from batchtui.core.outputs.failed_rows import FailedRows, name_for
from batchtui.core.outputs.formulas import guarded, guarded_id
from batchtui.core.outputs.reading import Value, words
from batchtui.core.outputs.staging import staged
from batchtui.core.outputs.target import Options, Work, Written, only_a_file
from batchtui.core.results.answers import Answers


class CsvOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """If `safe` is false, every cell is written as it is, with its control characters and formulas."""

    columns: Asked = msgspec.field(default_factory=dict)
    safe: bool = True


_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_KEY = next(column for column in EVERY if column.name == "key")


def write(answers: Answers, work: Work, options: CsvOptions) -> Written:
    """Writes a header, and a record for each result; with `columns`, for each answer that fits."""
    only_a_file(work.path)
    cells = _Cells(safe=options.safe)
    with staged(work.path.parent, work.there, work.guard, work.note) as stage:
        stage.free([work.path.name])
        left = FailedRows(stage, name_for(work.path), work.unfit)
        text = io.TextIOWrapper(stage.file(work.path.name), encoding="utf-8", newline="", write_through=True)
        rows = csv.writer(text)
        asked = table(answers, options.columns, options.take)
        rows.writerow([cells.of(name) for name in asked.names])
        count = 0
        keyed = asked._replace(columns=(*asked.columns, _KEY))
        for *values, key in records(answers, keyed, work, left):
            rows.writerow(map(cells.under, asked.columns, values, repeat(key)))
            count += 1
        text.detach()
    return Written(count, guarded=cells.guarded)


class _Cells:
    """Makes cells of values; `guarded` counts those that a spreadsheet would have run."""

    def __init__(self, *, safe: bool) -> None:
        self._safe = safe
        self.guarded = 0

    def under(self, column: Column, value: Value, key: str) -> str | int | float:
        """The cell of a record with this key. A column that has the same text holds an id, too."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        return self.of(words(value), is_id=column.id or value == key)

    def of(self, text: str, *, is_id: bool = False) -> str:
        """The cell of a text. Unless it is written as it is, control characters become U+FFFD."""
        if not self._safe:
            return text
        plain = _CONTROLS.sub("\ufffd", text)
        cell = guarded_id(plain) if is_id else guarded(plain)
        self.guarded += cell != plain
        return cell
