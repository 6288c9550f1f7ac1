"""The simulator fails exactly the rows that the check calls problems, and both name the same place."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.requests import check as checking
from batchtui.core.settings import Rules
from batchtui.core.simulator.judge import Judge
from batchtui.core.simulator.rules import read_create
from tests.core.requests.random_requests import Maker

TODAY = datetime(2026, 11, 26, tzinfo=UTC)
CASES = Path(__file__).parents[1] / "requests" / "cases.jsonl"
VALUES = (None, True, 0, -1, 2.5, "", " ", "x", "tool", "any", "human", [], {}, ["x"], {"type": "text"}, {"a": 1})
NAMES = ("type", "name", "role", "cache_control", "citations", "text", "betas", "stream", "nothing", "image_url")


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every member of every object and array inside, as its container and its key."""
    inside = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in inside for place in ((value, key), *places(value[key]))]


def spoiled(params: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The params with up to three mistakes, at any depth; now and then there is none."""
    made: dict[str, Any] = json.loads(json.dumps(params))
    for _ in range(chance.randint(0, 3)):
        container, key = chance.choice(places(made) or [(made, "model")])
        match chance.choice(("drop", "add", "change", "double")):
            case "drop":
                del container[key]
            case "change":
                container[key] = chance.choice(VALUES)
            case "add" if isinstance(container, dict):
                container[chance.choice(NAMES)] = chance.choice(VALUES)
            case _ if isinstance(container, list):
                container.append(json.loads(json.dumps(container[0])))
    return made


def made(count: int) -> list[dict[str, Any]]:
    chance = random.Random(11)
    return [spoiled(Maker(seed).request(), chance) for seed in range(count)]


def api_path(field: str) -> str:
    return field.removeprefix("params.").replace("[", ".").replace("]", "")


@pytest.mark.parametrize("betas", [(), ("compact-2026-09-04", "advisor-tool-2026-03-01", "mcp-client-2025-11-20")])
def test_what_fails_and_where_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, betas: tuple[str, ...]
) -> None:
    cases = [json.loads(line)["params"] for line in CASES.read_text().splitlines()]
    rows = [{"custom_id": f"r{at}", "params": params} for at, params in enumerate((*cases, *made(400)))]
    monkeypatch.setattr(checking, "SHOWN", 100_000)
    path = tmp_path / "input.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    first: dict[int, str] = {}
    for problem in checking.check(path, rules=Rules(betas=betas)).problems:
        first.setdefault(problem.line or 0, problem.field)
    judged = read_create(json.dumps({"requests": rows}).encode(), Judge(TODAY, betas=betas))
    failed = {at: row for at, row in enumerate(judged, 1) if row.problem}
    assert 150 < len(first) < 450
    assert failed.keys() == first.keys()
    for line, row in failed.items():
        assert row.problem.startswith(f"{api_path(first[line])}:"), (rows[line - 1], first[line], row.problem)
