"""Makes up single values: strings of a format, a pattern or a length, and numbers within bounds."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

_WORD = "simulated"
_EXACT = 1 << 53
_parser: Any = importlib.import_module("re._parser")
"""The standard library's reader of patterns; it has no public name."""


def _moment(draw: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=draw % 525_600)


_FORMATS: dict[str, Callable[[int], str]] = {
    "date-time": lambda draw: _moment(draw).isoformat().replace("+00:00", "Z"),
    "date": lambda draw: _moment(draw).date().isoformat(),
    "time": lambda draw: _moment(draw).time().isoformat() + "Z",
    "duration": lambda draw: f"PT{draw % 59 + 1}M",
    "email": lambda draw: f"{_WORD}{draw % 1000}@example.com",
    "idn-email": lambda draw: f"{_WORD}{draw % 1000}@example.com",
    "hostname": lambda draw: f"{_WORD}{draw % 1000}.example.com",
    "idn-hostname": lambda draw: f"{_WORD}{draw % 1000}.example.com",
    "uri": lambda draw: f"https://example.com/{_WORD}/{draw % 1000}",
    "uri-reference": lambda draw: f"https://example.com/{_WORD}/{draw % 1000}",
    "iri": lambda draw: f"https://example.com/{_WORD}/{draw % 1000}",
    "ipv4": lambda draw: f"192.0.2.{draw % 254 + 1}",
    "ipv6": lambda draw: f"2001:db8::{draw % 0xFFFF + 1:x}",
    "uuid": lambda draw: str(UUID(int=draw << 64 | draw, version=4)),
    "json-pointer": lambda _: f"/{_WORD}",
    "regex": lambda _: f"^{_WORD}$",
}


def text(schema: dict[str, Any], draw: int) -> str:
    """A string of the format, the pattern or the length that the schema asks for."""
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if isinstance(pattern := schema.get("pattern"), str):
        for extra in range(8):  # a pattern may leave the length open
            made = _matching(pattern, draw, extra * max(least, 1))
            if len(made) >= least:
                return made
    if made_by := _FORMATS.get(str(schema.get("format"))):
        return made_by(draw)
    made = _WORD if least <= len(_WORD) else (f"{_WORD} " * (least // (len(_WORD) + 1) + 1))[:least]
    return made if most is None else made[:most]


def number(schema: dict[str, Any], draw: int, *, whole: bool) -> float | int:
    """A number within the schema's bounds; without any, from 0 to 9 if whole, else from -1 to 1."""
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    step = schema.get("multipleOf") or (1 if whole else 0.01)
    lowest: float | None = max(_numbers(low, above), default=None)
    highest: float | None = min(_numbers(high, below), default=None)
    if lowest is None and highest is None and "multipleOf" not in schema:
        return draw % 10 if whole else round((draw % 201) / 100 - 1, 2)
    if lowest is None:
        lowest = 0 if highest is None or highest > 0 else highest - 10 * step
    if highest is None:
        highest = lowest + 10 * step
    first, last = math.ceil(lowest / step), math.floor(highest / step)
    first += first * step == above
    last -= last * step == below
    if first > last:  # the bounds are closer together than a hundredth
        return (lowest + highest) / 2
    made = (first + draw % min(last - first + 1, _EXACT)) * step
    return int(made) if whole else round(made, 10)


def _numbers(*values: object) -> list[float]:
    return [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]


@lru_cache(maxsize=64)
def _read(pattern: str) -> Any:
    return _parser.parse(pattern)


def _matching(pattern: str, draw: int, extra: int) -> str:
    """A string that the pattern matches as far as it can be made up; open repeats run `extra` times more."""
    try:
        parsed = _read(pattern)
    except (ValueError, RecursionError, OverflowError, re.error):
        return _WORD
    made = _all(parsed, draw, extra, {})
    anchored = parsed.data and str(parsed.data[0][0]) == "AT"
    return made if made or anchored else _WORD


def _part(node: Any, draw: int, extra: int, groups: dict[int, str]) -> str:
    name, what = str(node[0]), node[1]
    match name:
        case "LITERAL":
            return chr(what)
        case "NOT_LITERAL":
            return "a" if what != ord("a") else "b"
        case "ANY":
            return "s"
        case "IN":
            return _one_of(what, draw)
        case "BRANCH":
            return _all(what[1][draw % len(what[1])], draw, extra, groups)
        case "SUBPATTERN":
            groups[what[0] or 0] = made = _all(what[3], draw, extra, groups)
            return made
        case "GROUPREF":
            return groups.get(what, "")
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, inner = int(what[0]), int(what[1]), what[2]
            times = min(max(least, 1) + extra, most)
            return "".join(_all(inner, draw >> place % 50, extra, groups) for place in range(times))
        case "ATOMIC_GROUP":
            return _all(what, draw, extra, groups)
        case _:
            return ""


def _all(nodes: Any, draw: int, extra: int, groups: dict[int, str]) -> str:
    return "".join(_part(one, draw >> place % 50, extra, groups) for place, one in enumerate(nodes))


_CATEGORIES = {
    "CATEGORY_DIGIT": "0123456789",
    "CATEGORY_NOT_DIGIT": "abcdef",
    "CATEGORY_WORD": "abcdefghij",
    "CATEGORY_NOT_WORD": "-. ",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_SPACE": "abcdef",
}


def _one_of(choices: Any, draw: int) -> str:
    """A character of a class such as `[a-z_]`; of a negated one, the first plain character that is not in it."""
    negated = bool(choices) and str(choices[0][0]) == "NEGATE"
    allowed = "".join(_characters(one) for one in choices)
    if negated:
        return next((one for one in "abcdefghijklmnopqrstuvwxyz0123456789-_ \u00e9" if one not in allowed), "?")
    return allowed[draw % len(allowed)]


def _characters(choice: Any) -> str:
    match str(choice[0]):
        case "LITERAL":
            return chr(choice[1])
        case "RANGE":
            low, high = choice[1]
            return "".join(map(chr, range(low, min(high, low + 200) + 1)))
        case "CATEGORY":
            return _CATEGORIES.get(str(choice[1]), "a")
        case _:
            return ""
