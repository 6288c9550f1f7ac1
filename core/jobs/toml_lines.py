"""Finds the line of a field in a TOML text: tomllib does not report it, and the user needs it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from batchtui.core.toml import Field

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_WORD = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_FENCE = re.compile(r"\"{3}|\'{3}")


def line_of(text: str, field: Field) -> int | None:
    """The line of a field, from 1, or else of the nearest table around it; None if neither is there."""
    best, found = 0, None
    counts: dict[Field, int] = {}
    table: Field = ()
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        was_inside = inside
        if len(_FENCE.findall(line)) % 2:
            inside = not inside
        if was_inside:
            continue
        if header := _HEADER.match(line):
            table = _table(_words(header[2]), counts, new=header[1] == "[[")
            here = table
        elif key := _KEY.match(line):
            here = (*table, *_words(key[1]))
        else:
            continue
        if here[:-1] == field and here is table:  # a whole array: the line of its first table
            here = field
        if best < len(here) <= len(field) and field[: len(here)] == here:
            best, found = len(here), number
    return found


def shown(field: Field) -> str:
    """The field as a user would write it: `step[1].request.user`, counted from 1."""
    said = ""
    for part in field:
        said += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return said.removeprefix(".")


def _words(dotted: str) -> list[str]:
    return [word.strip("\"'") for word in _WORD.findall(dotted)]


def _table(words: Sequence[str], counts: dict[Field, int], *, new: bool) -> Field:
    """The full path to the table of a header, with the indexes of the arrays that it is in."""
    way: Field = ()
    for at, word in enumerate(words):
        way = (*way, word)
        if new and at == len(words) - 1:
            counts[way] = counts.get(way, -1) + 1
        if way in counts:
            way = (*way, counts[way])
    return way
