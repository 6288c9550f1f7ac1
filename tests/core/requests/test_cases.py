"""Shapes with their right verdict: what is refused has its place, what is valid has no problem, what only a beta knows
names it. The cases are in `cases.jsonl`, each with its source."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.requests.check import check
from batchtui.core.requests.problems import Problem
from batchtui.core.settings import Rules
from tests.core.requests.random_requests import Maker

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
    path = tmp_path / "input.jsonl"
    path.write_text("".join(json.dumps({"custom_id": f"r{at}", "params": one}) + "\n" for at, one in enumerate(rows)))
    assert [(one.line, one.field) for one in check(path).problems] == [
        (6, "params.tools[0].name"),
        (7, "params.top_k"),
        (8, "params.messages[0].content"),
        (9, "params.system[0].text"),
    ]


def test_a_thousand_valid_requests_made_from_the_sdks_types_raise_no_alarm(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    rows = [json.dumps({"custom_id": f"r{seed}", "params": Maker(seed).request()}) for seed in range(1000)]
    path.write_text("\n".join(rows))
    checked = check(path)
    assert checked.ok, [(one.line, one.field, one.message) for one in checked.problems]
    assert checked.requests == 1000
    assert len("".join(rows)) > 1_000_000, "they hold something"
