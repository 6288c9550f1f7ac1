"""Writes the results as a table for spreadsheets: RFC 4180, UTF-8, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
import unicodedata

import msgspec

from batchtui.core.outputs.columns import Asked, records, table
from batchtui.core.outputs.failed_rows import FailedRows, name_for
from batchtui.core.outputs.staging import staged
from batchtui.core.outputs.target import Options, Work, Written, only_a_file
from batchtui.core.outputs.value_paths import Value, words
from batchtui.core.results.answers import Answers


class CsvOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """If `safe` is false, cells that a spreadsheet would run are written unchanged."""

    columns: Asked = msgspec.field(default_factory=dict)
    safe: bool = True


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSEEN = re.compile("[\\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*")


def write(answers: Answers, work: Work, options: CsvOptions) -> Written:
    """Writes a header, and a record for each result; with `columns`, for each answer that fits."""
    only_a_file(work.path)
    with staged(work.path.parent, work.there, work.guard) as stage:
        stage.free([work.path.name])
        left = FailedRows(stage, name_for(work.path))
        text = io.TextIOWrapper(stage.file(work.path.name), encoding="utf-8", newline="", write_through=True)
        rows = csv.writer(text)
        asked = table(answers, options.columns)
        rows.writerow([safe(name) for name in asked.names])
        count = 0
        for record in records(answers, asked, work, left):
            rows.writerow([_cell(value, options) for value in record])
            count += 1
        text.detach()
    return Written(count)


def _cell(value: Value, options: CsvOptions) -> str | int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return safe(words(value)) if options.safe else shown(words(value))


def safe(cell: str) -> str:
    """The cell as text for every spreadsheet: what looks like a formula gets a leading apostrophe.

    Control characters and halves of surrogate pairs become U+FFFD. Plain numbers stay numbers.
    """
    if not cell:
        return cell
    text = shown(cell)
    unseen = _UNSEEN.match(text)
    first = text[unseen.end() : unseen.end() + 1] if unseen else ""
    runs = text[0] in "\t\r" or unicodedata.normalize("NFKC", first)[:1] in ("=", "+", "-", "@")
    return "'" + text if runs and not _NUMBER.fullmatch(text) else text


def shown(cell: str) -> str:
    """The cell with control characters and halves of surrogate pairs replaced by U+FFFD."""
    return _CONTROLS.sub("\ufffd", cell)
