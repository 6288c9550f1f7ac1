"""The file of what an output cannot use: requests without an answer, answers that do not fit, each with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Raw

from batchtui.core.batches.outcomes import Outcome
from batchtui.core.outputs.staging import Stage
from batchtui.core.outputs.target import Judge
from batchtui.core.paths import short_name
from batchtui.core.results.answers import KeyedResult
from batchtui.core.results.result_file import Row

ENDING = ".failed.jsonl"

UNFIT = Outcome.UNFIT.value
"""The type of an answer that cannot be used."""

UNNAMED = "unnamed"
"""The type of an answer that is in no file, because no name can be made of its id. A retry would not help."""

_WHY = {
    Outcome.CANCELED: "it was canceled before it ran",
    Outcome.EXPIRED: "it did not run within 24 hours",
}


def name_for(path: Path) -> str:
    """The name of the file beside an output: `out.csv.failed.jsonl`."""
    return short_name(path.name, ENDING)


class FailedRows:
    """One JSON object per line: custom_id, key, type, cause, the source's row if there is one, and the raw result.

    `type` is the outcome of the request, or `unfit`, `unmatched`, `unnamed` or `repeated` if an answer could not be
    used. The file is created with its first line. If there is none, the file of an earlier run is removed, if files
    are replaced. `judge` hears of complete answers that are `unfit`.
    """

    def __init__(self, stage: Stage, name: str, judge: Judge | None = None) -> None:
        self.count = 0
        self._judge = judge
        self._stage = stage
        self.name = name
        self._file: BinaryIO | None = None
        stage.without(name)

    def add(self, answer: KeyedResult, kind: str = "", cause: str = "") -> None:
        """Adds one answer; without a `kind`, it is a request that did not succeed."""
        if self._file is None:
            self._file = self._stage.file(self.name)
        self.count += 1
        if self._judge and kind == UNFIT and answer.result.answered:
            self._judge(answer.custom_id, cause)
        readable = answer.result.type != "unreadable"
        said = {
            "custom_id": answer.custom_id,
            "key": answer.key,
            "type": kind or answer.result.outcome or answer.result.type,
            "cause": cause or why(answer.result),
            **({"row": answer.row} if answer.row else {}),
            "line": Raw(answer.raw) if readable else answer.raw.decode(errors="replace"),
        }
        self._file.write(msgspec.json.encode(said) + b"\n")


def why(row: Row) -> str:
    """Why a request has no answer, in words."""
    if row.outcome in _WHY:
        return _WHY[row.outcome]
    if row.unfit:
        return row.unfit
    if row.type == "succeeded":
        return ": ".join(filter(None, (f"it stopped with {row.stop_reason or 'no reason'}", row.refusal)))
    return ": ".join(part for part in (row.error_type, row.error_message) if part) or row.type
