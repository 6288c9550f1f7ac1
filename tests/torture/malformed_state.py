"""Malformed files of our own and of the API: state.json, and the results of a batch."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from tests.torture import mutations
from tests.torture import odd_values as odd
from tests.torture.good_files import failed, result
from tests.torture.place import Commands, Place

_STATE_VALUES = (
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-11-26T10:00:00",
    "2026-11-20T10:00:00Z",
    "msgbatch_" + "9" * 24,
    "../../x",
    "in_progress",
    "ended",
    "retrieved",
    "unconfirmed",
    "submitting",
    "gone",
)


def state(random: Random, place: Place) -> Commands:
    path = place.home / "state.json"
    tree = json.loads(path.read_text())
    how = random.random()
    tree = (
        mutations.alike(tree, random, _STATE_VALUES)
        if how < 0.6
        else mutations.bent(tree, random, 2)
        if how < 0.85
        else tree
    )
    data = odd.dump(tree, random, random.choice((0.0, 0.0, 0.05))).encode("utf-8", "surrogatepass")
    path.write_bytes(mutations.recoded(mutations.broken(data, random, 2), random) if how > 0.85 else data)
    known: Commands = [
        ("show", "rows", "--json"),
        ("show", "daily"),
        ("retrieve", "rows", "--json"),
        ("retrieve", "daily", "--json"),
        ("cancel", "lost", "--yes", "--json"),
        ("cancel", "daily", "--yes", "--json"),
        ("retry", "daily", "--yes", "--json"),
        ("retry", "refused", "--yes", "--json"),
        ("forget", "lost", "--yes", "--json"),
        ("export", "daily", "--to", "out.csv", "--json"),
        ("submit", "rows.jsonl", "--json"),
        ("submit", "job.toml", "--yes", "--json"),
        ("list", "--remote", "--json"),
    ]
    return [("list", "--json"), ("list",), ("--once", "--json"), *random.sample(known, 4), ("list", "--json")]


_ANSWER_TEXTS = (
    '{"score": "\\ud800", "label": null}',
    '{"score": 1e999}',
    '{"score": ' + "9" * 400 + "}",
    '{"score": 9223372036854775808, "label": "x"}',
    '{"score": {"a": [1]}, "label": []}',
    '{"score": NaN}',
    '{"score": 1, "score": 2}',
    "```json\n{}\n```",
    "[" * 5000,
    "[" * 5000 + "]" * 5000,
    '{"label": "=cmd|calc", "score": "@x"}',
    '{"score": 1, "label": "\\u0000"}',
    "null",
    '"text"',
    "",
)


def answers(random: Random, place: Place) -> Commands:
    """Results of a batch that was really submitted; most have the right ids, so that they get past verification."""
    lines: list[Any] = []
    for custom_id in place.custom_ids:
        text = random.choice(_ANSWER_TEXTS if random.random() < 0.7 else odd.TEXTS)
        lines.append(result(custom_id, text) if random.random() < 0.8 else failed(custom_id, random.choice(_ENDS)))
    how, at = random.random(), random.randrange(len(lines))
    if how < 0.7:
        keep = lines[at]["custom_id"]
        lines[at] = (
            mutations.alike(lines[at], random, _MESSAGE_WORDS) if how < 0.5 else mutations.bent(lines[at], random)
        )
        if random.random() < 0.9 and isinstance(lines[at], dict):
            lines[at]["custom_id"] = keep
    counts = {kind: sum(1 for one in lines if _kind(one) == kind) for kind in ("succeeded", *_ENDS)}
    texts = [odd.dump(one, random, random.choice((0.0, 0.0, 0.1))) for one in lines]
    if random.random() < 0.1:
        texts.append(odd.dump(odd.value(random), random))
    data = ("\n".join(texts) + "\n").encode("utf-8", "surrogatepass")
    data = mutations.recoded(mutations.broken(data, random, 2), random) if random.random() < 0.15 else data
    place.host.answered(place.batch_id, counts, data)
    shown: Commands = [
        ("show", "daily", "--json"),
        ("show", "daily"),
        ("export", "daily", "--to", "a.csv", "--json"),
        ("export", "daily", "--to", "a.parquet", "--json"),
        ("export", "daily", "--to", "a.db", "--json"),
        ("export", "daily", "--to", "a.jsonl", "--json"),
        ("export", "daily", "--to", "each/{custom_id}.md", "--json"),
        ("retry", "daily", "--yes", "--json", "--include-permanent"),
        ("retry", "daily", "--rows", "failed.jsonl"),
        ("submit", "job.toml", "--yes", "--json"),
    ]
    return [
        ("--once", "--json"),
        ("retrieve", "daily", "--json"),
        *random.sample(shown, 4),
        ("--once", "--json"),
        ("list",),
    ]


_MESSAGE_WORDS = ("max_tokens", "tool_use", "refusal", "pause_turn", "thinking", "redacted_thinking", "server_tool_use")
_ENDS = ("errored", "canceled", "expired")


def _kind(line: Any) -> Any:
    try:
        return line["result"]["type"]
    except (KeyError, TypeError, IndexError):
        return None
