"""The rows of one job, shared among outputs by the values of their columns."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.outputs.kinds import check, columns_named, failed_path, run

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def shared(make: Any) -> Any:
    """Two rows for each of two tables, the second without an answer, and a result that cannot be read."""
    rows = [("n1", "news", 1), ("n2", "news", 2), ("p1", "post", 1), ("p2", "post", 2)]
    keys = make.keys(*((name, name, {"kind": kind, "id": number}) for name, kind, number in rows))
    return make(
        make.answer("n1", '{"score": 0.5}'),
        make.other("n2", "expired"),
        make.answer("p1", '{"score": -1}'),
        make.other("p2", "canceled"),
        b"garbled",
        keys=keys,
    )


def update(database: Path, table: str, kind: object) -> Output:
    options = {
        "table": table,
        "where": {"id": "{{ row.id }}"},
        "set": {"score": "json.score"},
        "when": {"kind": kind},
    }
    return Output("sqlite", str(database), options)


def failed(spec: Output) -> list[tuple[str, str]]:
    path = failed_path(spec)
    assert path
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["custom_id"], line["type"]) for line in lines]


def test_rows_of_two_tables_go_each_to_its_own_and_failures_are_listed_by_table(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "stock.db"
    with closing(sqlite3.connect(path)) as stock:
        for table in ("news", "posts"):
            stock.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, score REAL)")
            stock.executemany(f"INSERT INTO {table} (id) VALUES (?)", [(1,), (2,)])
        stock.commit()
        news, posts = update(path, "news", "news"), update(path, "posts", ["post", "comment"])
        for _ in range(2):
            assert run(news, shared(make), batch_id="b", now=NOW).rows == 1
            assert run(posts, shared(make), batch_id="b", now=NOW).rows == 1
        assert stock.execute("SELECT id, score FROM news ORDER BY id").fetchall() == [(1, 0.5), (2, None)]
        assert stock.execute("SELECT id, score FROM posts ORDER BY id").fetchall() == [(1, -1.0), (2, None)]
    assert failed(news) == [("n2", "expired"), ("", "unreadable")]
    assert failed(posts) == [("p2", "canceled"), ("", "unreadable")]


def test_the_same_update_for_two_kinds_of_rows_keeps_two_ledgers_and_two_files_of_failures(
    make: Any, tmp_path: Path
) -> None:
    path = tmp_path / "stock.db"
    with closing(sqlite3.connect(path)) as stock:
        stock.executescript("CREATE TABLE news (id INTEGER, score REAL); INSERT INTO news (id) VALUES (1), (2)")
        news, posts = update(path, "news", "news"), update(path, "news", "post")
        assert run(news, shared(make), batch_id="b", now=NOW).rows == 1
        assert run(posts, shared(make), batch_id="b", now=NOW).rows == 1
        assert stock.execute("SELECT score FROM news").fetchall() == [(-1.0,), (None,)]
        assert stock.execute("SELECT count(DISTINCT output) FROM _batchtui_applied").fetchone() == (2,)
    assert failed_path(news) != failed_path(posts)
    assert failed(news)[0] == ("n2", "expired")


def test_files_and_lines_are_of_the_chosen_rows_alone(make: Any, out: Path) -> None:
    files = Output("files", str(out / "{key}.json"), {"when": {"kind": "news"}})
    lines = Output("jsonl", str(out / "posts.jsonl"), {"when": {"kind": "post", "id": 1}})
    assert run(files, shared(make), batch_id="b", now=NOW).rows == 1
    assert run(lines, shared(make), batch_id="b", now=NOW).rows == 2
    said = [json.loads(line) for line in (out / "posts.jsonl").read_text().splitlines()[:1]]
    assert [one["key"] for one in said] == ["p1"]
    assert {path.name for path in out.glob("*.json")} == {"n1.json"}
    assert failed(files) == [("n2", "expired"), ("", "unreadable")]


def test_numbers_are_the_same_as_their_text_for_a_csv_file_has_only_text(make: Any, out: Path) -> None:
    keys = make.keys(("a", "a", {"n": "7"}), ("b", "b", {"n": 8}))
    answers = make(make.answer("a", "x"), make.answer("b", "y"), keys=keys)
    done = run(Output("jsonl", str(out / "a.jsonl"), {"when": {"n": [7, "8"]}}), answers, batch_id="b", now=NOW)
    assert done.rows == 2


@pytest.mark.parametrize("value", [[], {"x": 1}, [[1]]])
def test_what_cannot_be_compared_is_found_before_anything_is_sent(tmp_path: Path, value: object) -> None:
    with pytest.raises(BadInput, match="when: kind must be a value"):
        check(Output("jsonl", str(tmp_path / "a.jsonl"), {"when": {"kind": value}}))


def test_a_column_that_no_row_has_is_said(make: Any, out: Path) -> None:
    with pytest.raises(BadInput, match="no column knid"):
        run(Output("jsonl", str(out / "a.jsonl"), {"when": {"knid": "x"}}), shared(make), batch_id="b", now=NOW)


def test_the_columns_that_an_output_names_are_known_beforehand() -> None:
    options = {
        "table": "t",
        "set": {"a": "row.one", "b": "json.row", "c": "'row.no'", "d": 5, "e": "{{ row['two'] }} {{ key }}"},
        "where": {"id": "{{ row.three.deep }}"},
        "when": {"four": 1},
    }
    assert columns_named(Output("sqlite", "x.db", options)) == {"one", "two", "three", "four"}
    files = Output("files", "out/{{ row.five }}.md", {"content": "row.six"})
    assert columns_named(files) == {"five", "six"}
    assert columns_named(Output("csv", "x.csv", {"columns": ["row.seven", "text"]})) == {"seven"}
