"""Matches the patterns of schemas, but never for long: a model's text may make a careless pattern take for ever, and
nothing else in this process runs while Python matches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonschema.exceptions import ValidationError

_LONGEST = 10_000
_LONGEST_RISKY = 18
"""Characters. A pattern that tries every way to divide a text doubles its time with each of them."""

_ONE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\(([^()]*)\)")
_MANY = re.compile(r"[*+|\x00]|\{\d*,\d*\}")
_AGAIN = re.compile(r"\x00(?:[*+]|\{)")


def matches(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The keyword `pattern`. A text that is too long for it is not held against an answer."""
    if not isinstance(instance, str) or len(instance) > (_LONGEST_RISKY if risky(pattern) else _LONGEST):
        return
    if not re.search(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@lru_cache
def risky(pattern: str) -> bool:
    """Whether it repeats a group that itself repeats something or has a choice, such as `(a+)+` or `(a|b)*`."""
    left = _ONE.sub("x", pattern)
    while True:
        made = _GROUP.sub(lambda group: "\x00" if _MANY.search(group[1]) else "x", left)
        if _AGAIN.search(made):
            return True
        if made == left:
            return False
        left = made
