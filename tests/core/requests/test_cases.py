"""Shapes with their right verdict: what is refused has its place, what is valid has no problem, what only a beta knows
names it. The cases are in `cases.jsonl`, each with its source."""

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.requests.check import check
from batchtui.core.requests.deep import flaws
from batchtui.core.requests.problems import Problem
from batchtui.core.settings import OLDER_VERSION, Rules
from tests.core.requests.random_requests import Maker, spoil

CASES = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text().splitlines()]


def problems(tmp_path: Path, params: dict[str, Any], *betas: str) -> tuple[Problem, ...]:
    path = tmp_path / "input.jsonl"
    path.write_text(json.dumps({"custom_id": "a", "params": params}))
    return check(path, rules=Rules(betas=betas)).problems


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_each_case_has_its_verdict(tmp_path: Path, case: dict[str, Any]) -> None:
    found = problems(tmp_path, case["params"])
    if case["verdict"] == "valid":
        assert found == (), case["source"]
        return
    assert found, case["source"]
    assert all(one.line == 1 and one.hint and one.message for one in found)
    assert any(one.field.startswith(case["path"]) for one in found), (case["path"], [one.field for one in found])
    if case["verdict"] == "beta":
        [one] = found
        assert one.kind == "beta"
        named = re.findall(r"--beta (\S+\d)", one.hint)
        assert problems(tmp_path, case["params"], *named) == (), named
        assert problems(tmp_path, case["params"], "output-300k-2026-03-24"), "another beta does not help"


def test_a_value_that_differs_in_every_row_is_looked_at_in_every_row(tmp_path: Path) -> None:
    """What was found good in one row passes by its bytes; other bytes do not."""
    tool = {"name": "t", "input_schema": {"type": "object"}}
    params = {"model": "claude-opus-5", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    rows = [{**params, "tools": [tool]}] * 5
    rows += [{**params, "tools": [{**tool, "name": "a b"}]}, {**params, "tools": [tool], "top_k": 1}]
    rows += [{**params, "tools": [tool], "messages": [{"role": "user", "content": " "}]}]
    rows += [{**params, "tools": [tool], "system": [{"type": "text"}]}, {**params, "tools": [tool], "system": "s"}]
    marked = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]
    rows += [{**params, "tools": [tool], "messages": [{"role": "user", "content": marked * count}]} for count in (4, 5)]
    rows += [{**params, "tools": [tool], "messages": []}, {**params, "tools": [tool], "max_tokens": 0}]
    rows += [{**params, "tools": [tool], "messages": [{"role": "human", "content": "x"}]}]
    path = tmp_path / "input.jsonl"
    path.write_text("".join(json.dumps({"custom_id": f"r{at}", "params": one}) + "\n" for at, one in enumerate(rows)))
    assert [(one.line, one.field) for one in check(path).problems] == [
        (6, "params.tools[0].name"),
        (7, "params.top_k"),
        (8, "params.messages[0].content"),
        (9, "params.system[0].text"),
        (12, "params.messages[0].content[4].cache_control"),
        (13, "params.messages"),
        (14, "params.max_tokens"),
        (15, "params.messages[0].role"),
    ]


def test_a_thousand_valid_requests_made_from_the_sdks_types_raise_no_alarm(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    rows = [json.dumps({"custom_id": f"r{seed}", "params": Maker(seed).request()}) for seed in range(1000)]
    path.write_text("\n".join(rows))
    checked = check(path)
    assert checked.ok, [(one.line, one.field, one.message) for one in checked.problems]
    assert checked.requests == 1000
    assert len("".join(rows)) > 1_000_000, "they hold something"


@pytest.mark.parametrize("rules", [Rules(), Rules(OLDER_VERSION, betas=("mcp-client-2025-11-20",))])
def test_whatever_is_spoilt_is_found_the_same_in_a_file_of_many_rows_as_alone(tmp_path: Path, rules: Rules) -> None:
    """Remembering what was good hides nothing, and no shape however odd stops the check."""
    luck, good = random.Random(8), [Maker(seed).request() for seed in range(30)]
    every = [json.loads(json.dumps(luck.choice(good))) for _ in range(1500)]
    for params in every:
        for _ in range(luck.choice([0, 1, 1, 2])):
            spoil(params, luck)
    path = tmp_path / "input.jsonl"
    path.write_text("\n".join(json.dumps({"custom_id": f"r{at}", "params": one}) for at, one in enumerate(every)))
    alone = [(at, flaw.kind) for at, one in enumerate(every, 1) for flaw in flaws(one, rules)]
    checked = check(path, rules=rules)
    assert checked.problem_count == len(alone) > 500
    assert checked.kinds == Counter(kind for _, kind in alone)
    first = [(one.line, one.kind) for one in checked.problems]
    assert first == alone[: len(first)]
