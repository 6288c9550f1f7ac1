"""The kinds of malformed files, and the commands that each is given to.

A kind lays its files into a `Place` and returns the command lines to run. Half of the files are good ones that were
changed, the others are made from scratch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from tests.torture import mutations
from tests.torture import odd_values as odd
from tests.torture.good_files import CONFIG, ENV, JOB, request
from tests.torture.malformed_state import answers, state
from tests.torture.place import Commands, Place
from tests.torture.sources import write_source

_WORDS = (
    "user",
    "assistant",
    "text",
    "image",
    "document",
    "tool_use",
    "tool_result",
    "base64",
    "url",
    "file",
    "auto",
    "any",
)


def requests(random: Random, place: Place) -> Commands:
    rows: list[Any] = [request(number) for number in range(random.randint(1, 4))]
    shape = random.randrange(4)
    how = random.random()
    if how < 0.4:
        rows = mutations.alike(rows, random, _WORDS)
    elif how < 0.7:
        rows = mutations.bent(rows, random)
        rows = rows if isinstance(rows, list) else [rows]
    elif how < 0.8:
        rows += [{"custom_id": odd.value(random), "params": odd.value(random)}, odd.value(random)]
    again = random.choice((0.0, 0.0, 0.2))
    lines = [odd.dump(row, random, again) for row in rows]
    text = "\n".join(lines) + "\n" if shape < 2 else "[" + ",".join(lines) + "]"
    text = '{"requests": ' + text + "}" if shape == 3 else text
    data = text.encode("utf-8", "surrogatepass")
    data = mutations.broken(data, random) if random.random() < 0.3 else data
    name = random.choice(("rows.jsonl", "rows.json", "rows"))
    (place.folder / name).write_bytes(mutations.recoded(data, random))
    cut = random.choice(((), (), ("--split", "1"), ("--canary", "1")))
    return [("check", name, "--json"), ("check", name), ("submit", name, "--json", "--yes", *cut), ("--once", "--json")]


_TOML = (
    "true",
    "[]",
    "{}",
    "{ a = 1 }",
    "[[[1]]]",
    "1e400",
    "nan",
    "-inf",
    "9" * 40,
    "-1",
    "0",
    '""',
    '" "',
    '"\\u0000"',
    '"\\u001b[2J"',
    "2026-11-26",
    "2026-11-26T10:00:00Z",
    "07:32:00",
    "'''\nlong\n'''",
    '"{{ row.nobody }}"',
    '"{{ title | nothing }}"',
    '"{{ title.a.b.c }}"',
    '"{{ title[0] }}{% for a in title %}{{ a }}{% endfor %}"',
    '"{{ 1 / 0 }}"',
    '"{{ title | int + 1 }}"',
    '"{{ title.encode() }}"',
    '"{% if %}"',
    '"{{ answers.nobody.text }}"',
    '"{{ key }}{{ number }}{{ row }}"',
    '"json.a.b[0].c?"',
    '"json..a"',
    '"row."',
    '"usage.nothing"',
    '"../../x"',
    '"a/b/c.csv"',
    '["a", 1, {}]',
)


def jobs(random: Random, place: Place) -> Commands:
    name, more = write_source(random, place.folder)
    text = JOB.replace("SOURCE", name).replace("MORE", more)
    text = (
        text
        if random.random() < 0.3
        else text.replace('"daily"', '"other"', 1).replace("answers.daily", "answers.other")
    )
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        text = _other_toml(text, random)
    data = text.encode("utf-8", "surrogatepass")
    data = mutations.recoded(mutations.broken(data, random, 2), random) if random.random() < 0.15 else data
    (place.folder / "job.toml").write_bytes(data)
    return [("check", "job.toml", "--json"), ("check", "job.toml"), ("submit", "job.toml", "--json", "--yes")]


def _other_toml(text: str, random: Random) -> str:
    """The TOML with one line changed."""
    lines = text.splitlines()
    at = random.randrange(len(lines))
    head, equals, _ = lines[at].partition("=")
    match random.randrange(8):
        case 0 | 1 | 2 if equals:
            lines[at] = f"{head}= {random.choice(_TOML)}"
        case 3:
            del lines[at]
        case 4:
            lines.insert(at, random.choice(lines))
        case 5:
            lines.insert(at, f"{json.dumps(random.choice(odd.TEXTS))} = {random.choice(_TOML)}")
        case 6:
            lines[at] = re.sub(
                r"^(\[+)(.*?)(\]+)$", random.choice((r"[\2]", r"[[\2]]", r"[\2.x]", r"[x.\2]")), lines[at]
            )
        case _ if equals:
            lines[at] = f"{head}= {json.dumps(random.choice(odd.TEXTS)[:2000])}"
    return "\n".join(lines) + "\n"


def config(random: Random, place: Place) -> Commands:
    text = CONFIG
    for _ in range(random.choice((0, 1, 1, 3))):
        text = _other_toml(text, random)
    data = text.encode("utf-8", "surrogatepass")
    data = mutations.broken(data, random, 2) if random.random() < 0.5 else data
    (place.home / "config.toml").write_bytes(mutations.recoded(data, random))
    (place.folder / "rows.jsonl").write_text(json.dumps(request(0)) + "\n")
    return [
        ("list", "--json"),
        ("check", "rows.jsonl", "--json"),
        ("submit", "rows.jsonl", "--json"),
        ("--once", "--json"),
    ]


def env(random: Random, place: Place) -> Commands:
    data = ENV.encode()
    if random.random() < 0.4:
        lines = [f"{odd.name(random)}={random.choice(odd.TEXTS)}" for _ in range(random.randrange(5))]
        lines += [f"ANTHROPIC_API_KEY={random.choice(odd.TEXTS)}" for _ in range(random.randrange(3))]
        data = "\n".join(lines).encode("utf-8", "surrogatepass")
    data = mutations.broken(data, random) if random.random() < 0.8 else data
    place.environment.pop("ANTHROPIC_API_KEY")
    (place.folder / ".env").write_bytes(mutations.recoded(data, random))
    (place.folder / ".env").chmod(random.choice((0o600, 0o644)))
    (place.folder / "rows.jsonl").write_text(json.dumps(request(0)) + "\n")
    return [("check", "rows.jsonl", "--json"), ("submit", "rows.jsonl", "--json"), ("list",), ("--once", "--json")]


KINDS: dict[str, Callable[[Random, Place], Commands]] = {
    "requests": requests,
    "jobs": jobs,
    "config": config,
    "env": env,
    "state": state,
    "answers": answers,
}
