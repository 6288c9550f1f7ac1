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
from tests.conftest import World
from tests.core.requests.random_requests import Maker

from .conftest import requests

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
    if isinstance(name := made.get("model"), str) and name.strip():
        made["model"] = params["model"]  # whether a model exists only the API knows
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


LONG = "word " * 250_000
PNG = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
FORMAT = {"format": {"type": "json_schema", "schema": SCHEMA}}
BY_MODEL: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("claude-haiku-4-5", {"max_tokens": 64_001}, "params.max_tokens"),
    ("claude-haiku-4-5", {"max_tokens": 64_000}, ""),
    ("claude-opus-5", {"max_tokens": 128_001}, "params.max_tokens"),
    ("claude-opus-5", {"messages": [{"role": "user", "content": LONG}]}, ""),
    ("claude-haiku-5-5", {"messages": [{"role": "user", "content": LONG}]}, "params.messages"),
    ("claude-fable-5", {"thinking": {"type": "disabled"}}, "params.thinking.type"),
    ("claude-sonnet-4-6", {"output_config": {"effort": "max", **FORMAT}}, ""),
    ("claude-opus-5", {"messages": [{"role": "user", "content": [PNG, {"type": "text", "text": "?"}]}]}, ""),
    ("claude-opus-4-1-20250805", {}, "params.model"),
    ("claude-nothing-9", {}, "params.model"),
)


@pytest.mark.parametrize(("model", "params", "field"), BY_MODEL, ids=range(len(BY_MODEL)))
async def test_what_a_model_cannot_take_fails_as_the_check_says_with_a_key(
    world: World, model: str, params: dict[str, Any], field: str
) -> None:
    base = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
    row = {"custom_id": "a", "params": {**base, **params}}
    path = world.folder / "input.jsonl"
    path.write_text(json.dumps(row))
    desk = world.desk()
    try:
        problems = (await desk.examine(path)).checked.problems
    finally:
        await desk.close()
    [judged] = read_create(json.dumps({"requests": [row]}).encode(), Judge(TODAY))
    assert [problem.field for problem in problems] == ([field] if field else [])
    assert judged.problem.partition(":")[0] == api_path(field)
    if field == "params.model":
        assert (judged.error, judged.problem) == ("not_found_error", f"model: {model}")


def test_a_beta_allows_longer_answers() -> None:
    [row] = requests(1, model="claude-opus-5", max_tokens=300_000)
    body = json.dumps({"requests": [row]}).encode()
    assert read_create(body, Judge(TODAY))[0].problem == (
        "max_tokens: 300000 > 128000, which is the maximum allowed number of output tokens for claude-opus-5"
    )
    assert read_create(body, Judge(TODAY, betas=["output-300k-2026-03-24"]))[0].problem == ""
