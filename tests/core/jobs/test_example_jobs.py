from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from batchtui.core.errors import BadInput
from batchtui.core.jobs.example_jobs import examples, write_examples
from batchtui.core.jobs.look_ahead import look_ahead
from batchtui.core.jobs.read_job import read_job
from batchtui.core.requests.check import check
from tests.core.jobs.conftest import Workshop


def test_every_example_builds_good_requests_as_it_is_written(shop: Workshop, tmp_path: Path) -> None:
    assert set(examples()) == {"round_notes", "sentiment"}
    for path in write_examples(tmp_path / "out"):
        job = read_job(path)
        shop.folder = path.parent
        made = shop.build(job)
        rows = shop.file("built.jsonl", b"")
        rows.write_text("".join(f"{json.dumps(row)}\n" for row in made.requests))
        assert check(rows).ok
        assert look_ahead(job, made.built.columns) == []


def test_the_reports_build_on_the_notes_and_have_their_keys(shop: Workshop, tmp_path: Path) -> None:
    [path] = write_examples(tmp_path / "out", ["round_notes"])
    job = read_job(path)
    shop.folder = path.parent
    notes = shop.build(job)
    assert len(notes.keys) == 32
    with shop.answers(notes, lambda key: f"Notes on {key}.") as answers:
        reports = shop.build(job, {"round_notes": answers}, step=1)
    assert [key["key"] for key in reports.keys] == [f"CUP{cup}_R{r}" for cup in range(10, 18) for r in range(1, 5)]
    assert reports.said[3].endswith("Notes on CUP10_R4.")
    assert "who won the cup" in reports.said[3]
    assert "who won the cup" not in reports.said[2]


def test_sentiment_asks_only_for_rows_whose_mapping_is_pending(shop: Workshop, tmp_path: Path) -> None:
    [path] = write_examples(tmp_path / "out", ["sentiment"])
    shop.folder = path.parent
    database = sqlite3.connect(path.parent / "news.db")
    database.execute("UPDATE batch_mapping SET status = 'completed' WHERE article_id > 5")
    database.commit()
    database.close()
    assert [key["key"] for key in shop.build(read_job(path)).keys] == [f"news-{n}" for n in range(1, 6)]


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "sentiment").mkdir()
    with pytest.raises(BadInput, match="already exists"):
        write_examples(tmp_path)
    assert not (tmp_path / "round_notes").exists()
    with pytest.raises(BadInput, match="no example"):
        write_examples(tmp_path, ["nosuch"])
