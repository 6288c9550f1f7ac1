"""Reads JSON as the API writes it, which is a little more than the standard allows."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Never, TypeVar

import msgspec

T = TypeVar("T")

_DIGITS = 400
"""More digits than any number has that is meant, and as many as msgspec reads."""

_HALF = re.compile("[\ud800-\udfff]")

_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
"""A pair, half of one, or any other escape."""


def lenient_json(text: str) -> Any:
    """Decodes a JSON text. Half a surrogate pair is accepted; NaN and Infinity are not.

    The API accepts half a pair in a text, but msgspec refuses it.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse, parse_int=_whole, parse_float=_finite)


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)


def _finite(said: str) -> float:
    number = float(said)
    if math.isinf(number):
        raise ValueError(f"{said[:20]} is too large for a number")
    return number


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")


def whole_characters(value: Any) -> Any:
    """A decoded JSON value with each half of a surrogate pair, in any text or name in it, replaced by U+FFFD."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [whole_characters(one) for one in value]
    if isinstance(value, dict):
        return {whole_characters(name): whole_characters(one) for name, one in value.items()}
    return value


def mended(raw: bytes | bytearray, decode: Callable[[bytes | bytearray], T]) -> T:
    """What `decode` makes of a JSON text from outside, each half of a surrogate pair in it replaced by U+FFFD.

    What is read is written again: to the state, a summary, an output, the next request. UTF-8 has no half pairs. Raises
    as `decode` does.
    """
    try:
        return decode(raw)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return decode(_mend_halves(raw))


def _mend_halves(raw: bytes | bytearray) -> bytearray:
    """A JSON text with each escape of half a surrogate pair replaced by that of U+FFFD, which is as long."""
    mended = bytearray(raw)
    for found in _ESCAPE.finditer(raw):
        if found.lastgroup == "half":
            mended[found.start() : found.end()] = rb"\ufffd"
    return mended
