"""A table made for the results: complete or not at all; other tables and other batches are left alone."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.outputs.kinds import check, export, run
from batchtui.core.outputs.target import TargetExists

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_every_result_is_a_row_with_the_key_and_the_sources_columns_beside_it(make: Any, out: Path) -> None:
    keys = make.keys(("k1", "one", {"id": 7, "text": "mine", "batch": "x"}), ("k2", "two", {"id": 8}))
    answers = make(make.answer("k1", "it's \ud800"), make.error("k2", "api_error", "no"), keys=keys)
    assert export(answers, str(out / "a.sqlite"), scope="msgbatch_1").rows == 2
    columns = 'batch, custom_id, "key", type, text, error_type, output_tokens, id, "row.text", "row.batch"'
    assert rows(out / "a.sqlite", f"SELECT {columns} FROM answers") == [
        ("msgbatch_1", "k1", "one", "succeeded", "it's \ufffd", "", 4, 7, "mine", "x"),
        ("msgbatch_1", "k2", "two", "errored", "", "api_error", None, 8, None, None),
    ]
    assert rows(out / "a.sqlite", "PRAGMA integrity_check") == [("ok",)]
    assert [path.name for path in out.iterdir() if path.suffix != ".sqlite"] == ["a.sqlite.answers.failed.jsonl"]


def test_an_existing_database_keeps_its_tables_and_other_batches_and_gets_each_batch_once(
    make: Any, tmp_path: Path
) -> None:
    path = tmp_path / "mine.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE precious (a)")
        connection.execute("INSERT INTO precious VALUES (1)")
        connection.commit()
    answers = make(make.answer("a", "x"), make.answer("b", "y"))
    with pytest.raises(TargetExists):
        export(answers, str(path))
    for scope in ("one", "two", "one", "one"):
        export(answers, str(path), overwrite=True, scope=scope)
    assert rows(path, "SELECT a FROM precious") == [(1,)]
    counted = rows(path, "SELECT batch, count(*) FROM answers GROUP BY batch ORDER BY batch")
    assert counted == [("one", 2), ("two", 2)]


def test_a_job_says_table_and_columns_and_an_answer_that_does_not_fit_is_listed(make: Any, out: Path) -> None:
    columns = {"who": "key", "score": "json.score", "tags": "json.tags", "at": "now"}
    spec = Output("sqlite", str(out / "x.db"), {"table": "scores", "columns": columns})
    check(spec)
    fits = make.answer("a", '{"score": 0.5, "tags": ["x", 1]}')
    answers = make(fits, make.answer("b", "no"), make.answer("c", '{"score": 99999999999999999999, "tags": {}}'))
    for _ in range(2):
        assert run(spec, answers, batch_id="b1", now=NOW).rows == 2
    assert rows(out / "x.db", "SELECT who, score, tags, at FROM scores") == [
        ("a", 0.5, '["x", 1]', "2026-11-22T00:00:00+00:00"),
        ("c", "99999999999999999999", "{}", "2026-11-22T00:00:00+00:00"),
    ]
    assert "not JSON" in (out / "x.db.scores.failed.jsonl").read_text()


def test_a_table_that_is_not_like_that_is_refused_and_left_alone(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE answers (batch, mine)")
        connection.execute("INSERT INTO answers VALUES ('', 1)")
        connection.commit()
    with pytest.raises(BadInput, match="has no column custom_id"):
        export(make(make.answer("a", "x")), str(path), overwrite=True)
    assert rows(path, "SELECT * FROM answers") == [("", 1)]


def test_what_is_no_database_is_never_written_over(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("my notes " * 500)
    with pytest.raises(BadInput, match="not a SQLite"):
        export(make(make.answer("a", "x")), str(path), overwrite=True)
    assert path.read_text() == "my notes " * 500


def test_no_results_make_an_empty_table(make: Any, out: Path) -> None:
    assert export(make(), str(out / "a.db")).rows == 0
    assert rows(out / "a.db", "SELECT count(*) FROM answers") == [(0,)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"table": "mine"}, "has no column batch"),
        ({"table": "Seen"}, "has no column batch"),
        ({"table": "ready"}, "has no column key"),
        ({"table": "ready", "columns": {"a": "text", "b": "text"}}, "has no column b"),
        ({"table": "sqlite_answers"}, "is reserved by SQLite"),
    ],
)
def test_a_table_that_cannot_take_the_rows_is_found_before_anything_is_sent(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    path = tmp_path / "mine.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("""
            CREATE TABLE mine (id INTEGER PRIMARY KEY, text TEXT);
            CREATE VIEW seen AS SELECT * FROM mine;
            CREATE TABLE ready (batch TEXT, custom_id TEXT, a TEXT);
        """)
    with pytest.raises(BadInput, match=said):
        check(Output("sqlite", str(path), options))
    check(Output("sqlite", str(path), {"table": "ready", "columns": {"A": "text"}}))
    check(Output("sqlite", str(path), {"table": "new"}))
    check(Output("sqlite", str(tmp_path / "new.db"), {"table": "mine"}))


def test_a_file_that_is_no_database_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# These are notes, and a good many of them.")
    with pytest.raises(BadInput, match="is not a SQLite database"):
        check(Output("sqlite", str(tmp_path / "notes.md"), {"table": "mine"}))
