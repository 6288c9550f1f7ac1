"""A batch of a thousand in which everything goes wrong that can: counted everywhere, sent again kind by kind with the
change that its cause needs, and exported in the end as one."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow.parquet
import pytest

if TYPE_CHECKING:
    import subprocess

    from tests.conftest import World

OBJECT = {
    "type": "object",
    "properties": {"score": {"type": "number"}},
    "required": ["score"],
    "additionalProperties": False,
}
SEARCH = {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]}
TOOL = {"tools": [{"name": "grade", "input_schema": OBJECT}], "tool_choice": {"type": "tool", "name": "grade"}}
FORMAT = {"output_config": {"format": {"type": "json_schema", "schema": OBJECT}}}

GROUPS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("cut", 100, {}),
    ("refused", 20, {}),
    ("paused", 10, SEARCH),
    ("unfit", 5, FORMAT),
    ("failed", 40, {}),
    ("", 30, TOOL),
    ("", 795, {}),
)
"""How the requests end, how many of them, and their params."""

OUTCOMES = {"answered": 825, "cut": 100, "refused": 20, "paused": 10, "unfit": 5, "errored": 40}


@pytest.fixture
def retrieved(world: World, here: None) -> World:
    """The batch as it is after its first cycle."""
    rows: list[dict[str, Any]] = []
    for ending, count, more in GROUPS:
        names = [f"req-{len(rows) + at}" for at in range(count)]
        rows += [
            {
                "custom_id": name,
                "params": {
                    "model": "claude-haiku-5-5",
                    "max_tokens": 400,
                    "messages": [{"role": "user", "content": f"Question {name}"}],
                    **more,
                },
            }
            for name in names
        ]
        if ending:
            world.control.tell(ending, *names)
    (world.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    world.control.settings(duration=0, answer_chars=200)
    assert world.run("submit", "rows.jsonl").returncode == 0
    assert world.run("--once").returncode == 3
    return world


def nonzero(outcomes: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in outcomes.items() if count}


def whole(world: World) -> dict[str, Any]:
    batch: dict[str, Any] = json.loads(world.run("show", "rows", "--json").stdout)["batch"]
    return batch


def test_every_count_says_what_became_of_the_thousand_and_no_half_answer_is_a_file(retrieved: World) -> None:
    words = "825 answered, 100 cut off, 20 refused, 10 paused, 5 unfit, 40 errored"
    assert words in retrieved.run("show", "rows").stdout
    batch = whole(retrieved)
    [listed] = json.loads(retrieved.run("list", "--json").stdout)["batches"]
    [summary] = [json.loads(path.read_bytes()) for path in retrieved.paths.results.glob("*.summary.json")]
    for outcomes in (batch["outcomes"], batch["summary"]["outcomes"], listed["outcomes"], summary["outcomes"]):
        assert nonzero(outcomes) == OUTCOMES
    assert batch["request_counts"]["succeeded"] == 960, "the API counts messages"
    table = retrieved.run("list").stdout
    assert "825 of 1,000" in table
    assert " 175 " in table

    assert retrieved.run("export", "rows", "--to", "files/{custom_id}.md").returncode == 0
    written = {path.stem for path in (retrieved.folder / "files").glob("*.md")}
    assert written == {f"req-{at}" for at in range(175, 1000)}
    failed = (retrieved.folder / "files/_failed.jsonl").read_bytes().splitlines()
    assert Counter(json.loads(line)["type"] for line in failed) == {
        name: count for name, count in OUTCOMES.items() if name != "answered"
    }
    assert retrieved.run("export", "rows", "--to", "all.csv").returncode == 0
    with (retrieved.folder / "all.csv").open(newline="") as file:
        assert Counter(row["outcome"] for row in csv.DictReader(file)) == OUTCOMES


def test_each_kind_goes_again_with_its_change_and_all_thousand_are_exported_in_every_form(retrieved: World) -> None:
    world, left = retrieved, dict(OUTCOMES)

    def retry(*words: str) -> subprocess.CompletedProcess[str]:
        return world.run("retry", "rows", "--yes", *words)

    for kind, outcome, change in (
        ("cut", "cut", ["--max-tokens", "800"]),
        ("refused", "refused", ["--model", "claude-sonnet-5-5"]),
        ("paused", "paused", []),
        ("unfit", "unfit", []),
        ("transient", "errored", []),
    ):
        ended = retry("--take", kind, *change, "--json")
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["retried"].keys() <= {kind, "api_error", "overloaded_error", "timeout_error"}
        [sent] = json.loads(ended.stdout)["batches"]
        assert sent["requests"] == left[outcome]
        assert retry("--take", kind, *change).returncode == 1, "what is under way is not sent twice"
        assert world.run("--once").returncode == 0
        assert retry("--take", kind, *change).returncode == 1, "what has its answer is not sent again"
        left["answered"] += left.pop(outcome)
        assert nonzero(whole(world)["outcomes"]) == left
    assert left == {"answered": 1000}
    assert len(world.control.batches()) == 6

    for target in ("all.jsonl", "all.csv", "all.parquet", "all.db", "files/{custom_id}.md"):
        ended = world.run("export", "rows", "--to", target)
        assert ended.returncode == 0, ended.stderr
        assert "did not succeed" not in ended.stderr
    ids = [f"req-{at}" for at in range(1000)]
    lines = [json.loads(line) for line in (world.folder / "all.jsonl").read_bytes().splitlines()]
    assert [line["custom_id"] for line in lines] == ids
    stops = Counter(line["result"]["message"]["stop_reason"] for line in lines)
    assert stops == {"end_turn": 970, "tool_use": 30}
    with (world.folder / "all.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    parquet = pyarrow.parquet.read_table(world.folder / "all.parquet").to_pylist()
    with sqlite3.connect(world.folder / "all.db") as db:
        base = db.execute("SELECT custom_id, text FROM answers").fetchall()
    assert ids == [row["custom_id"] for row in table]
    assert ids == [row["custom_id"] for row in parquet] == [row[0] for row in base]
    files = {path.stem: path.read_text() for path in (world.folder / "files").iterdir()}
    assert files == dict(base) == {row["custom_id"]: row["text"] for row in parquet}
    assert json.loads(files["req-175"]).keys() == {"score"}, "the input of its tool"
