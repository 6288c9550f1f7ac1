"""SIGKILL while outputs are written: every row once, and no file name with only half a file."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Output
from batchtui.core.outputs.kinds import export, run
from batchtui.core.results.answers import Answers, BatchFiles

DRIVER = Path(__file__).with_name("output_kills.py")
ROWS = 60_000
KILLS = 50


def line(custom_id: str, text: str) -> str:
    message = {"model": "m", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
    return json.dumps({"custom_id": custom_id, "result": {"type": "succeeded", "message": message}}) + "\n"


def drive(*arguments: Any) -> int:
    """How many processes were killed."""
    done = subprocess.run(
        [sys.executable, str(DRIVER), *map(str, arguments)], check=True, capture_output=True, text=True, timeout=600
    )
    return int(done.stdout)


def test_an_update_killed_at_fifty_random_moments_applies_each_of_60000_rows_once(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    shelf = BatchFiles(kept / "results.jsonl", None, kept / "keys.jsonl")
    assert shelf.keys
    with shelf.results.open("w") as results, shelf.keys.open("w") as keys:
        for number in range(ROWS):
            results.write(line(f"n{number}", f'{{"score": {number}}}'))
            keys.write(f'{{"custom_id":"n{number}","key":"n{number}","row":{{"id":{number}}}}}\n')
    path = tmp_path / "news.db"
    with closing(sqlite3.connect(path)) as news:
        news.executescript("""
            CREATE TABLE news (id INTEGER PRIMARY KEY, score REAL, applied INTEGER NOT NULL DEFAULT 0);
            CREATE TRIGGER counted AFTER UPDATE OF score ON news BEGIN
                UPDATE news SET applied = applied + 1 WHERE id = new.id;
            END;
        """)
        news.executemany("INSERT INTO news (id) VALUES (?)", ((number,) for number in range(ROWS)))
        news.commit()
        assert drive("update", path, shelf.results, shelf.keys, KILLS) == KILLS
        (half,) = news.execute("SELECT count(*) FROM news WHERE applied > 0").fetchone()
        assert 0 < half < ROWS, "the kills came in its midst"
        assert news.execute("SELECT count(*) FROM _batchtui_applied").fetchone() == (half,)
        options = {"table": "news", "where": {"id": "{{ row.id }}"}, "set": {"score": "json.score"}}
        with Answers.open([shelf]) as answers:
            for _ in range(2):
                done = run(Output("sqlite", str(path), options), answers, batch_id="b", now=datetime.now(UTC))
                assert done.rows == ROWS
        assert news.execute("SELECT applied, count(*) FROM news GROUP BY applied").fetchall() == [(1, ROWS)]
        assert news.execute("SELECT count(*) FROM news WHERE score <> id").fetchone() == (0,)
        assert news.execute("PRAGMA integrity_check").fetchone() == ("ok",)


ONE_FILE = [("pread", 40), ("fsync", 1), ("fsync", 2), ("link", 1), ("link", 2)]
MANY_FILES = [("pread", 90), ("sync", 1), ("link", 1), ("link", 30), ("fsync", 1)]
POINTS = [
    *((target, *point) for target in ("a.jsonl", "a.csv", "a.parquet", "a.db") for point in ONE_FILE),
    *(("{custom_id}.md", *point) for point in MANY_FILES),
]


@pytest.mark.parametrize(("target", "call", "number"), POINTS)
def test_every_kind_killed_half_way_leaves_no_name_for_half_a_file_and_runs_again(
    tmp_path: Path, target: str, call: str, number: int
) -> None:
    kept, whole, out = (tmp_path / name for name in ("kept", "whole", "out"))
    kept.mkdir()
    results = kept / "results.jsonl"
    failed = json.dumps({"custom_id": "f", "result": {"type": "expired"}})
    results.write_text("".join(line(f"r{number}", "text " * 10_000) for number in range(60)) + failed + "\n")
    with Answers.open([BatchFiles(results)]) as answers:
        export(answers, str(whole / target))
        assert drive("file", results, out / target, call, number) == 1
        expected = {path.name: path for path in whole.iterdir()}
        for path in out.iterdir() if out.exists() else ():
            if not path.name.startswith("."):
                assert path.read_bytes() == expected[path.name].read_bytes()
        export(answers, str(out / target), overwrite=True)
    assert {path.name for path in out.iterdir()} == expected.keys(), "what the dead one left is gone"
