"""What an output could not use is found without writing anything, and is just what its run finds."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.outputs import kinds
from batchtui.core.outputs.rehearsal import rehearse
from batchtui.core.results.answers import Answers, BatchFiles

SAID = {"a": '{"score": 1}', "b": '{"score": null}', "c": '{"score": "high"}', "d": "none", "e": ""}


@pytest.fixture
def answers(tmp_path: Path) -> BatchFiles:
    folder = tmp_path / "ours"
    folder.mkdir()
    results, keys = folder / "m1.jsonl", folder / "b1.keys.jsonl"
    with results.open("w") as lines, keys.open("w") as named:
        for name, text in SAID.items():
            message = {"model": "m", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
            lines.write(json.dumps({"custom_id": name, "result": {"type": "succeeded", "message": message}}) + "\n")
            named.write(json.dumps({"custom_id": name, "key": name, "row": {"id": name, "kind": name < "d"}}) + "\n")
        cut = {"model": "m", "content": [], "stop_reason": "max_tokens"}
        lines.write(json.dumps({"custom_id": "f", "result": {"type": "succeeded", "message": cut}}) + "\n")
    with sqlite3.connect(tmp_path / "own.db") as table:
        table.execute("CREATE TABLE t (id TEXT, score REAL)")
        table.executemany("INSERT INTO t (id) VALUES (?)", [(name,) for name in SAID])
    return BatchFiles(results, None, keys)


@pytest.mark.parametrize(
    ("kind", "path", "options", "found"),
    [
        ("csv", "out.csv", {"columns": {"s": "json.score"}}, "bde"),
        ("csv", "out.csv", {"columns": {"s": "json.score?"}}, ""),
        ("csv", "out.csv", {"columns": {"s": "json.score"}, "when": {"kind": True}}, "b"),
        ("csv", "out.csv", {}, ""),
        ("jsonl", "out.jsonl", {}, ""),
        ("files", "out/{key}.md", {}, "e"),
        ("files", "out/{key}.md", {"content": "json.score"}, "bde"),
        ("sqlite", "new.db", {"columns": ["key", "json.score"]}, "bde"),
        ("sqlite", "own.db", {"table": "t", "set": {"score": "json.score"}, "where": {"id": "{{ key }}"}}, "bcde"),
        ("command", "", {"command": ["true"]}, ""),
    ],
)
def test_it_finds_what_the_run_finds(
    tmp_path: Path, answers: BatchFiles, kind: str, path: str, options: dict[str, Any], found: str
) -> None:
    spec = Output(kind=kind, path=str(tmp_path / path) if path else "", options=options)
    before = sorted(tmp_path.rglob("*"))
    with Answers.open([answers]) as every:
        rehearsed = rehearse(spec, every)
        assert sorted(tmp_path.rglob("*")) == before
        ran: dict[str, str] = {}
        kinds.run(spec, every, batch_id="s", now=datetime(2026, 11, 26, tzinfo=UTC), unfit=ran.setdefault)
    assert rehearsed == ran
    assert "".join(sorted(ran)) == found


def test_what_cannot_be_told_is_said(tmp_path: Path, answers: BatchFiles) -> None:
    options = {"table": "t", "set": {"score": "json.score"}, "where": {"id": "{{ key }}"}}
    with Answers.open([answers]) as every, pytest.raises(BadInput):
        rehearse(Output(kind="sqlite", path=str(tmp_path / "gone.db"), options=options), every)
