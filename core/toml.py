"""Reads TOML as it is written for batchtui: with numbers and nesting that JSON, and the API, can hold."""

from __future__ import annotations

import math
import re
from typing import Any

LONGEST = 4_000_000
"""The most bytes of a TOML text; tomllib takes seconds for more."""

_DEEPEST = 100
_FLATTEN = f"Nest tables and lists at most {_DEEPEST} deep."
_LONG_NUMBER = re.compile(r"[0-9a-fA-F_]{1000,}")
_RANGE = 1 << 63

Field = tuple[str | int, ...]
"""The path to a field: names of tables, and indexes from 0 in arrays of tables."""


class NotToml(ValueError):
    """The text is not TOML, or holds what cannot be used; `field` is where, if it is known, and `hint` what to do."""

    def __init__(self, message: str, field: Field = (), hint: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.hint = hint


def read_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises NotToml."""
    import tomllib  # every command reads the settings, and most people have none

    try:
        root = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotToml(str(error)) from error
    except RecursionError as error:
        raise NotToml("it is nested too deeply", hint=_FLATTEN) from error
    except ValueError as error:  # Python refuses to read a number of over 4,300 digits
        found = _LONG_NUMBER.search(text)
        line = f" (at line {text.count(chr(10), 0, found.start()) + 1})" if found else ""
        raise NotToml(f"A number has too many digits{line}") from error
    _usable(root)
    return root


def _usable(root: dict[str, Any]) -> None:
    waiting: list[tuple[Field, Any]] = [((), root)]
    while waiting:
        field, value = waiting.pop()
        if len(field) > _DEEPEST:
            raise NotToml("it is nested too deeply", field[:3], _FLATTEN)
        match value:
            case dict():
                waiting.extend(((*field, name), one) for name, one in value.items())
            case list():
                waiting.extend(((*field, number), one) for number, one in enumerate(value))
            case bool():
                pass
            case int() if not -_RANGE <= value < _RANGE:
                raise NotToml("a whole number has more than 64 bits", field)
            case float() if "params" in field and not math.isfinite(value):
                raise NotToml("a number is not finite, which the API does not take", field)
