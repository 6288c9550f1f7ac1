"""Odd values, and JSON made of them. Everything is drawn from one `Random`."""

from __future__ import annotations

import json
from random import Random
from typing import Any

TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m",
    "\r\n\r\n",
    "\u202eabc",
    "\u2028",
    "\ufeff",
    "\ufffe",
    "é" * 300,
    "漢字" * 200,
    "👩‍👩‍👧‍👦" * 50,
    "a" * 100_000,
    "../../etc/passwd",
    "/",
    "~root/x",
    "CON",
    ".",
    "..",
    "-rf",
    "=1+1",
    "{{ 7 * 7 }}",
    "{{ row.__class__.__mro__ }}",
    "{% raw %}",
    "{{ nobody }}",
    "{{",
    "{% include 'x' %}",
    "'; DROP TABLE rows; --",
    "${HOME}",
    "%s%n%d",
    "[bold red]x[/]",
    "true",
    "null",
    "NaN",
    "1e999",
    "-0",
    "0x10",
    "1_000",
    "2026-11-26T10:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z",
    "2026-11-26T10:00:00",
    "2026-11-26T10:00:00+23:59",
    "9999-12-31T23:59:59-14:00",
    "msgbatch_" + "0" * 24,
    "claude-haiku-5-5",
    "text",
    "custom_id",
)
"""Texts that some program has stumbled over."""

RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1e-400",
    "0.1e",
    "01",
    "+1",
    ".5",
    '"\\ud800"',
    '"a\\udfffb"',
    '"\\ud83d\\ude00"',
    '"\\u0000"',
    '"\\x41"',
    "'text'",
    "9" * 30,
    "9" * 5000,
    "-" + "9" * 400,
    "9" * 400 + ".5",
    "1" + "0" * 400 + "e-399",
    "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "1" + "}" * 3000,
    "[" * 200_000,
    '{"a":1,"a":2}',
    "[,]",
    "[1,]",
    "{}{}",
    "undefined",
    "tru",
    "//",
    "/* */ 1",
)
"""Pieces of JSON that `json.dumps` would never write."""

NUMBERS = (
    0,
    -1,
    1,
    2,
    0.5,
    -0.0,
    1e308,
    5e-324,
    127,
    255,
    65536,
    2**31,
    2**32,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63),
    -(2**63) - 1,
)
BYTES = (
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x1b[2J",
    b"\r",
    b"\r\n",
    b"\n",
    b"\n\n\n",
    b"\x85",
    b"\x1a",
    b'"',
    b"'",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"=",
    b"#",
    b"{{",
    b"}}",
    b"{%",
    b'"""',
    b"9" * 500,
    b"\t",
    b" " * 70_000,
    b"null",
    b"x" * 300_000,
)


class Raw(str):
    """JSON as text, to be written as it is."""

    __slots__ = ()


def value(random: Random, depth: int = 0) -> Any:
    """Any JSON value, more often an odd one than not."""
    kind = random.randrange(10 if depth < 4 else 6)
    match kind:
        case 0 | 1:
            return random.choice(TEXTS)
        case 2:
            return random.choice(NUMBERS)
        case 3:
            return Raw(random.choice(RAW))
        case 4:
            return random.choice((None, True, False))
        case 5:
            return random.choice(([], {}, [[]], [None], {"": None}))
        case 6 | 7:
            return [value(random, depth + 1) for _ in range(random.randrange(4))]
        case _:
            return {name(random): value(random, depth + 1) for _ in range(random.randrange(4))}


def name(random: Random) -> str:
    known = ("type", "text", "content", "role", "model", "id", "custom_id", "params", "messages", "usage", "result")
    return random.choice(known) if random.random() < 0.7 else random.choice(TEXTS)


def dump(given: Any, random: Random, again: float = 0.0) -> str:
    """JSON text. With a chance of `again`, an object repeats one of its names with another value."""
    if isinstance(given, Raw):
        return str(given)
    if isinstance(given, dict):
        pairs = [f"{json.dumps(key)}:{dump(one, random, again)}" for key, one in given.items()]
        if pairs and random.random() < again:
            twice = random.choice(list(given))
            pairs.append(f"{json.dumps(twice)}:{dump(value(random, 3), random)}")
        return "{" + ",".join(pairs) + "}"
    if isinstance(given, list):
        return "[" + ",".join(dump(one, random, again) for one in given) + "]"
    return json.dumps(given, ensure_ascii=random.random() < 0.5) if not isinstance(given, str) else _text(given, random)


def _text(given: str, random: Random) -> str:
    plain = json.dumps(given, ensure_ascii=False)
    return plain if random.random() < 0.5 and given.isprintable() else json.dumps(given)
