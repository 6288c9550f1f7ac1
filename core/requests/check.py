"""Checks an input file of requests row by row before anything is sent, and hands on its rows for the create body."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from batchtui.core.batches.limits import MAX_BYTES, MAX_REQUESTS, body_size
from batchtui.core.requests import input_rows
from batchtui.core.requests.fast_check import FastCheck, read
from batchtui.core.requests.problems import Problem, Unusable, explain
from batchtui.core.requests.row_writer import RowWriter
from batchtui.core.settings import CURRENT, Rules
from batchtui.core.state.archive import digest, id_of
from batchtui.core.text import inert_line, number, size

SHOWN = 20
"""Problems that are kept; all are counted."""

_MAX_ROW = MAX_BYTES - body_size(0)
_BLOCK = 1 << 20
_SPACE = b" \t\r\n"
_SEVERAL = "Send it as several batches under one name: batchtui submit FILE --yes; or --split N for smaller ones."


class Checked(Struct, frozen=True, kw_only=True):
    """What a file of requests holds, and what keeps it from being sent.

    `bytes` is the size of the create body, `sha256` covers the rows as archived, and `digest` covers the sorted
    custom_ids. These three are meaningful only if `ok`. `problems` holds the first 20 of `problem_count` problems;
    `kinds` counts them all.
    """

    path: Path
    requests: int
    bytes: int
    sha256: str
    digest: str
    models: tuple[str, ...]
    problems: tuple[Problem, ...]
    problem_count: int
    kinds: dict[str, int]

    @property
    def ok(self) -> bool:
        return not self.problem_count

    @property
    def batches(self) -> int:
        """The minimum number of batches that it needs."""
        return max(-(-self.requests // MAX_REQUESTS), -(-self.bytes // MAX_BYTES))

    @property
    def only_too_long(self) -> bool:
        """Whether its only problem, as far as it was checked, is that it does not fit into one batch."""
        whole = all(problem.line is None for problem in self.problems)
        return bool(self.requests and self.kinds and whole and self.kinds.keys() <= {"too_many", "too_large"})


def check(
    path: Path,
    sink: BinaryIO | None = None,
    report: Callable[[int, int], None] | None = None,
    *,
    one_batch: bool = True,
    rules: Rules = CURRENT,
) -> Checked:
    """Reads the whole file and reports everything that is wrong with it. Nothing is sent.

    If `one_batch` is false, the file may hold more than fits into one batch, to be split. The requests must follow
    `rules`.

    `sink` gets every row as one line, unchanged except for line breaks between tokens. It is complete only if the
    outcome is `ok`. `report(bytes_done, bytes_total)` is called every megabyte and may raise to stop. Whatever is
    wrong with the file itself is reported as a problem too.

    Raises:
        OSError: `sink` could not be written.
    """
    with RowWriter(sink) as kept:
        tally = _Tally(kept, rules, one_batch=one_batch)
        try:
            with input_rows.opened(path, _MAX_ROW) as source:
                _look(source, tally, report)
        except Unusable as error:
            tally.note(error.problem)
        return tally.checked(path)


def _look(source: input_rows.OpenInput, tally: _Tally, report: Callable[[int, int], None] | None) -> None:
    shown = 0
    for block in source.blocks:
        if source.unit != "line" or not tally.add_lines(block):
            for at, row, _ in source.rows_of(block):
                tally.add(row, at, source.unit)
        if report and block.done - shown >= _BLOCK:
            shown = block.done
            report(block.done, source.total)
    if report:
        report(source.total, source.total)


class _Tally:
    def __init__(self, kept: RowWriter, rules: Rules, *, one_batch: bool) -> None:
        self.kept = kept
        self.rules = rules
        self.fast = FastCheck(rules)
        self.one_batch = one_batch
        self.requests = 0
        self.bytes = 0
        self.first_seen: dict[str, int] = {}
        self.models: set[str] = set()
        self.problems: list[Problem] = []
        self.kinds: Counter[str] = Counter()

    def note(self, problem: Problem) -> None:
        self.kinds[problem.kind] += 1
        if len(self.problems) < SHOWN:
            self.problems.append(problem)

    def add_lines(self, block: input_rows.Block) -> bool:
        """Adds whole lines at once. If any of them needs a closer look, adds nothing and returns false."""
        if self.kinds or len(block.rows) > _MAX_ROW:
            return False
        requests = self.fast.read_all(block.rows, block.lines)
        if requests is None or (self.one_batch and self.requests + len(requests) > MAX_REQUESTS):
            return False
        ids = dict(zip([request.custom_id for request in requests], count(block.number)))
        if len(ids) < len(requests) or not self.first_seen.keys().isdisjoint(ids):
            return False
        self.first_seen.update(ids)
        self.models.update([request.params.model for request in requests])
        self.requests += len(requests)
        self.bytes += len(block.rows)
        self.kept.add(block.rows)
        return True

    def add(self, given: bytes, at: int, unit: str) -> None:
        self.requests += 1
        row = given if given.endswith(b"}\n") else given.strip(_SPACE) + b"\n"
        self.bytes += len(row)
        if self.one_batch and self.requests > MAX_REQUESTS:
            return  # reported once at the end; further rows are only counted
        if len(row) > _MAX_ROW:
            message = f"This request alone is over {size(MAX_BYTES)}, the limit for a whole batch."
            self.note(Problem(at, "", message, "Make it smaller.", "too_large", f"{unit} {at}"))
            return
        passed = self.fast.read_all(row, [row])
        if passed is None:
            known = self.fast.knows(row)
            problems = list(explain(given, at, f"{unit} {at}", self.rules, only_messages=known))
            for problem in problems:
                self.note(problem)
            if problems:
                self._claim(id_of(row), at, unit)
                return
            if not known:
                self.fast.remember(row)
        request = passed[0] if passed else read(row)
        self._claim(request.custom_id, at, unit)
        self.models.add(request.params.model)
        if not self.kinds:
            if row.find(b"\n") < len(row) - 1:
                self.bytes -= len(row)
                row = msgspec.json.format(row, indent=-1) + b"\n"
                self.bytes += len(row)
            self.kept.add(row)

    def _claim(self, custom_id: str | None, at: int, unit: str) -> None:
        if custom_id is None:
            return
        first = self.first_seen.setdefault(custom_id, at)
        if first != at:
            message = f"custom_id {inert_line(custom_id, 64)} is already used in {unit} {first}."
            hint = "Give every request its own id."
            self.note(Problem(at, "custom_id", message, hint, "doubled", f"{unit} {at}"))

    def checked(self, path: Path) -> Checked:
        self._whole(inert_line(str(path)))
        return Checked(
            path=path,
            requests=self.requests,
            bytes=body_size(self.bytes),
            sha256=self.kept.sha256(),
            digest=digest(self.first_seen),
            models=tuple(sorted(self.models)),
            problems=tuple(self.problems),
            problem_count=self.kinds.total(),
            kinds=dict(self.kinds),
        )

    def _whole(self, shown: str) -> None:
        if not self.requests and not self.kinds:
            hint = 'Use a file with one {"custom_id": "...", "params": {...}} per line.'
            self.note(Problem(None, "", f"{shown} holds no requests.", hint, "empty"))
        if self.one_batch and self.requests > MAX_REQUESTS:
            message = f"{shown} holds {number(self.requests)} requests; a batch takes at most {number(MAX_REQUESTS)}."
            self.note(Problem(None, "", message, _SEVERAL, "too_many"))
        if self.one_batch and body_size(self.bytes) > MAX_BYTES and "too_large" not in self.kinds:
            message = f"{shown} makes a body of {size(body_size(self.bytes))}; a batch takes at most {size(MAX_BYTES)}."
            self.note(Problem(None, "", message, _SEVERAL, "too_large"))
