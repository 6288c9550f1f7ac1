"""One thing that is wrong with a request, before it has a line: the words for it, and for values and names in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NamedTuple

from batchtui.core.text import inert_line

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}")
FEW = 6
"""How many allowed values a hint lists."""


class Flaw(NamedTuple):
    """What is wrong at `field`, a path such as `params.messages[2].content[0].type`.

    `said` is how the API puts it, without the path; empty if that is `message`.
    """

    kind: str
    field: str
    message: str
    hint: str
    said: str = ""


def a(value: Any) -> str:
    """What a JSON value is, in words: `an array`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"


def at(path: str, name: str | int) -> str:
    """The path of a member: `params.tools[0].name`."""
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name if _PLAIN.fullmatch(name) else inert_line(name, 60)}"


def quoted(value: object) -> str:
    """A value in straight quotes, short and harmless."""
    return f'"{inert_line(str(value), 60)}"'


def near(name: str, allowed: Iterable[str]) -> str:
    """`Did you mean "text"?`, or an empty string if nothing is near."""
    by_lower = {one.lower(): one for one in allowed}
    close = get_close_matches(name.lower()[:100], by_lower, 1)
    return f'Did you mean "{by_lower[close[0]]}"?' if close else ""


def one_of(allowed: Iterable[str]) -> str:
    """`"a", "b" or "c"`, or the first few of many."""
    names = [f'"{one}"' for one in allowed]
    if len(names) > FEW:
        return f"{', '.join(names[:FEW])} and {len(names) - FEW} more"
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def api_text(flaw: Flaw) -> str:
    """The flaw as the API words it in a result: `messages.2.content.0.type: Field required`."""
    path = flaw.field.removeprefix("params").removeprefix(".").replace("[", ".").replace("]", "")
    said = flaw.said or flaw.message
    return f"{path}: {said}" if path else said
