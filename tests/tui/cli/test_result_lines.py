"""Result lines of every kind, known and not yet known, through every output and command: the right outcome and cause,
no line lost, and nothing of theirs takes effect. `core/results/cases.jsonl` holds them, with what is right."""

from __future__ import annotations

import csv
import json
import sqlite3
import unicodedata
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet
import pytest

from batchtui.core.batches.retries import DEFAULT, Kind

if TYPE_CHECKING:
    from tests.conftest import World

CASES = [
    json.loads(line) for line in (Path(__file__).parents[2] / "core/results/cases.jsonl").read_bytes().splitlines()
]
ENDINGS = {"errored": "failed", "expired": "expired", "canceled": "canceled"}

JOB = """
name = "lines"

[source]
path = "names.jsonl"
key = "{{ name }}"

[request]
model = "claude-opus-5"
max_tokens = 300
user = "Say {{ name }}"

[[output]]
kind = "files"
path = "out/files/{{ key }}.txt"

[[output]]
kind = "jsonl"
path = "out/all.jsonl"

[[output]]
kind = "csv"
path = "out/all.csv"

[[output]]
kind = "parquet"
path = "out/all.parquet"

[[output]]
kind = "sqlite"
path = "out/all.db"
table = "answers"

[[output]]
kind = "command"
command = ["cp", "{results}", "out/command.jsonl"]
"""


def name(case: dict[str, Any]) -> str:
    return str(case["line"]["custom_id"])


def outcome(case: dict[str, Any]) -> str:
    """The outcome once text was to be written."""
    return "unfit" if case["outcome"] == "answered" and not case["text"] else str(case["outcome"])


def kind(case: dict[str, Any]) -> str | None:
    """What a retry calls it then."""
    return "unfit" if outcome(case) == "unfit" else case["kind"]


def whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def assert_inert(*texts: str) -> None:
    for text in texts:
        bad = {c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
        assert not bad, text


@pytest.fixture
def told(world: World, here: None) -> World:
    """A world in which each of the lines answers the request of its name, in a batch of this job or of any file."""
    for case in CASES:
        world.control.lay_down(name(case), json.dumps(case["line"]["result"]).encode())
        if ending := ENDINGS.get(case["outcome"]):
            world.control.tell(ending, name(case))
    rows = (json.dumps({"name": name(case)}) for case in CASES)
    (world.folder / "names.jsonl").write_text("\n".join(rows))
    (world.folder / "job.toml").write_text(JOB)
    world.control.settings(duration=0)
    return world


def test_every_output_has_each_line_once_with_its_outcome_and_its_cause(told: World) -> None:
    assert told.run("submit", "job.toml", "--yes").returncode == 0
    cycle = told.run("--once")
    assert cycle.returncode == 3, cycle.stderr
    out = told.folder / "out"
    by_name = {name(case): case for case in CASES}

    good = {each: whole(case["text"]) for each, case in by_name.items() if outcome(case) == "answered"}
    files = {path.stem: path.read_text() for path in (out / "files").glob("*.txt")}
    assert files == good
    failed = [json.loads(line) for line in (out / "files/_failed.jsonl").read_bytes().splitlines()]
    assert {one["custom_id"]: (one["type"], one["cause"]) for one in failed} == {
        each: (outcome(case), case["why"]) for each, case in by_name.items() if each not in good
    }
    assert len(failed) + len(good) == len(CASES)

    lines = [json.loads(line) for line in (out / "all.jsonl").read_bytes().splitlines()]
    rows = [{"key": name(case), "row": {"name": name(case)}, **case["line"]} for case in CASES]
    assert lines == rows, "as they came, in the order of the rows"
    assert (out / "command.jsonl").read_bytes() == (out / "all.jsonl").read_bytes()

    with (out / "all.csv").open(newline="") as file:
        table = {row["key"]: row for row in csv.DictReader(file)}
    parquet = {row["key"]: row for row in pyarrow.parquet.read_table(out / "all.parquet").to_pylist()}
    with sqlite3.connect(out / "all.db") as db:
        db.row_factory = sqlite3.Row
        base = {row["key"]: row for row in db.execute("SELECT * FROM answers")}
    for each, case in by_name.items():
        every = (table[each], parquet[each], base[each])
        assert {row["outcome"] for row in every} <= {case["outcome"], outcome(case)}, each
        if each in good:
            assert parquet[each]["text"] == base[each]["text"] == good[each]
    assert len(table) == len(parquet) == len(base) == len(CASES)
    for row in table.values():
        assert not {"Cc", "Cs"} & {unicodedata.category(c) for cell in row.values() for c in cell if c != "\n"}
        assert not any(cell.startswith("=") for cell in row.values())


def test_what_is_shown_is_counted_right_and_inert_and_what_failed_goes_into_a_file_for_editing(told: World) -> None:
    assert told.run("submit", "job.toml", "--yes").returncode == 0
    cycle = told.run("--once")
    plain, listed, as_json = told.run("show", "lines"), told.run("list"), told.run("show", "lines", "--json")
    assert_inert(cycle.stdout, cycle.stderr, plain.stdout, listed.stdout, as_json.stdout)
    batch = json.loads(as_json.stdout)["batch"]
    counts = Counter(map(outcome, CASES))
    assert {each: count for each, count in batch["outcomes"].items() if count} == counts
    assert f"answers     {counts['answered']} answered, " in plain.stdout
    for ending in ("csv", "jsonl", "parquet", "db"):
        ended = told.run("export", "lines", "--to", f"again.{ending}")
        assert ended.returncode == 0, ended.stderr
        assert_inert(ended.stdout, ended.stderr)

    ended = told.run("retry", "lines", "--rows", "edit.jsonl", "--yes")
    assert ended.returncode == 0, ended.stderr
    rows = [json.loads(line) for line in (told.folder / "edit.jsonl").read_bytes().splitlines()]
    assert {row["custom_id"] for row in rows} == {name(case) for case in CASES if kind(case)}
    before = told.run("retry", "lines", "--take", "permanent", "--max-cost", "0", "--yes", "--json")
    assert json.loads(before.stdout)["errors"][0]["code"] == "over_limit"
    ended = told.run("retry", "lines", "--yes", "--json")
    assert ended.returncode == 0, ended.stderr
    assert_inert(ended.stdout, ended.stderr)
    kinds = {one["kind"]: one["requests"] for one in json.loads(ended.stdout)["kinds"]}
    assert kinds == Counter(filter(None, map(kind, CASES)))
    assert json.loads(ended.stdout)["batches"][0]["requests"] == sum(kinds.get(each, 0) for each in DEFAULT)
    assert set(kinds) == set(Kind)
