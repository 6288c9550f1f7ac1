"""Selects answers by the values in their source rows, so that several outputs can share the rows of one job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from batchtui.core.errors import BadInput
from batchtui.core.results.answers import Answers, KeyedResult
from batchtui.core.text import inert_line

_NOT_IN_NAMES = re.compile(r"[^\w -]")

When = Mapping[str, Any]
"""Source columns, each with the value that it must have, or a list of possible values."""


class AnswersWhen(Answers):
    """The answers of `every` whose row matches `when`. A result whose row is not known is included, so that it is
    listed if it fits nowhere.

    Raises:
        BadInput: the source has no such column.
    """

    def __init__(self, every: Answers, when: When) -> None:
        for name in when:
            if name not in every.columns:
                known = ", ".join(inert_line(one, 60) for one in every.columns) or "none"
                raise BadInput(
                    f"when: the rows have no column {inert_line(name, 60)}.", f"The columns of the rows are: {known}."
                )
        super().__init__(())
        self.folders, self.keyed, self.columns = every.folders, every.keyed, every.columns
        self._every = every
        self._wanted = wanted(when)
        self._count: int | None = None

    def _fits(self, answer: KeyedResult) -> bool:
        return fits(answer.row, self._wanted)

    def __len__(self) -> int:
        if self._count is None:
            self._count = sum(1 for _ in self)
        return self._count

    def __contains__(self, custom_id: str) -> bool:
        return custom_id in self._every

    def __iter__(self) -> Iterator[KeyedResult]:
        return filter(self._fits, self._every)

    def rest(self, done: Iterable[str]) -> Iterator[KeyedResult]:
        return filter(self._fits, self._every.rest(done))

    def find(self, key: str) -> KeyedResult | None:
        found = self._every.find(key)
        return found if found and self._fits(found) else None


def fits(row: Mapping[str, Any], values: Mapping[str, frozenset[str]]) -> bool:
    """Whether a row has the values that are `wanted`. An unknown row does."""
    return not row or all(_text(row.get(name)) in allowed for name, allowed in values.items())


def wanted(when: When) -> dict[str, frozenset[str]]:
    """The values that fit, as text, for each column: `1` and `"1"` are the same, since a CSV file has only texts.

    Raises:
        BadInput: a value is a table, or there is none.
    """
    understood = {}
    for name, said in when.items():
        values = said if isinstance(said, list) else [said]
        if not values or any(isinstance(value, list | dict) for value in values):
            raise BadInput(
                f"when: {inert_line(name, 60)} must be a value, or a list of values.",
                'Write when = { kind = "news" } or when = { kind = ["news", "post"] }',
            )
        understood[name] = frozenset(map(_text, values))
    return understood


def mark(when: When) -> str:
    """What distinguishes the file of failures from others with the same target: ` news`, or "" without a `when`."""
    said = " ".join(sorted(value for values in wanted(when).values() for value in values))
    return f" {_NOT_IN_NAMES.sub('_', said)[:60]}" if said else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
