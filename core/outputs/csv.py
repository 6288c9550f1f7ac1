"""A table of the results for spreadsheets: RFC 4180, UTF-8, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from batchtui.core.outputs.target import Report, each, written
from batchtui.core.results import Results, Row

COLUMNS = (
    "custom_id",
    "type",
    "text",
    "stop_reason",
    "error_type",
    "error_message",
    "model",
    "input_tokens",
    "output_tokens",
)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSEEN = re.compile("[\\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*")


def write(results: Results, order: Sequence[int], path: Path, *, overwrite: bool, report: Report | None) -> None:
    """A header and a record for each result, whatever its type. `input_tokens` is the whole prompt, cached or not."""
    with written(path, overwrite=overwrite) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        records = csv.writer(text)
        records.writerow(COLUMNS)
        for index in each(order, report):
            records.writerow(_record(results.row(index)))
        text.detach()


def _record(row: Row) -> tuple[str | int, ...]:
    tokens = row.tokens
    read = tokens.input + tokens.cache_creation_5m + tokens.cache_creation_1h + tokens.cache_read if tokens else ""
    said = (row.custom_id, row.type, row.text, row.stop_reason, row.error_type, row.error_message, row.model)
    return (*(safe(cell) for cell in said), read, tokens.output if tokens else "")


def safe(cell: str) -> str:
    """The cell so that it is a text to every spreadsheet: what looks like a formula gets a leading apostrophe.

    Control characters and halves of surrogate pairs become U+FFFD. Plain numbers stay numbers.
    """
    if not cell:
        return cell
    text = _CONTROLS.sub("\ufffd", cell)
    unseen = _UNSEEN.match(text)
    first = text[unseen.end() : unseen.end() + 1] if unseen else ""
    runs = text[0] in "\t\r" or unicodedata.normalize("NFKC", first)[:1] in ("=", "+", "-", "@")
    return "'" + text if runs and not _NUMBER.fullmatch(text) else text
