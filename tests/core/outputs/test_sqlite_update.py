"""Updates of the user's own rows: each answer once, in exactly one row, or listed with its reason."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput, Busy
from batchtui.core.outputs import sqlite_file, sqlite_update
from batchtui.core.outputs.kinds import check, failed_path, run
from batchtui.core.outputs.target import NotWritten
from batchtui.core.results.answers import Answers

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
SET = {"score": "json.score", "note": "json.note", "at": "now"}
WHERE = {"id": "{{ row.id }}"}


@pytest.fixture
def news(tmp_path: Path) -> Path:
    """Ten rows to which nothing has been applied; `applied` counts how often it happens."""
    path = tmp_path / "my stock?.db"
    with sqlite3.connect(path) as made:
        made.executescript("""
            CREATE TABLE news (
                id INTEGER PRIMARY KEY, topic TEXT, score REAL, note TEXT CHECK (note <> 'forbidden'), at TEXT,
                double REAL GENERATED ALWAYS AS (score * 2), applied INTEGER NOT NULL DEFAULT 0
            );
            CREATE TRIGGER counted AFTER UPDATE OF score ON news BEGIN
                UPDATE news SET applied = applied + 1 WHERE id = new.id;
            END;
            CREATE VIEW seen AS SELECT * FROM news;
        """)
        made.executemany("INSERT INTO news (id, topic) VALUES (?, ?)", [(n, f"t{n % 2}") for n in range(10)])
    made.close()
    return path


@pytest.fixture
def look(news: Path) -> Iterator[Any]:
    connection = sqlite3.connect(news)
    yield lambda sql: connection.execute(sql).fetchall()
    connection.close()


def spec(news: Path, **options: Any) -> Output:
    return Output(kind="sqlite", path=str(news), options={"table": "news", "set": SET, "where": WHERE, **options})


def asked(make: Any, *lines: bytes, rows: dict[str, dict[str, Any]] | None = None) -> Answers:
    """Answers for k0, k1, ... whose rows have these ids."""
    given = rows or {f"k{n}": {"id": n} for n in range(10)}
    answers: Answers = make(*lines, keys=make.keys(*((one, one, row) for one, row in given.items())))
    return answers


def scored(make: Any, number: int, score: Any = 0.5, note: Any = "n") -> bytes:
    line: bytes = make.answer(f"k{number}", json.dumps({"score": score, "note": note}))
    return line


def left(news: Path) -> list[tuple[str, str, str]]:
    path = failed_path(spec(news))
    assert path == news.with_name("my stock?.db.news.failed.jsonl")
    if not path.exists():
        return []
    return [(one["custom_id"], one["type"], one["cause"]) for one in map(json.loads, path.read_bytes().splitlines())]


def test_each_answer_goes_to_its_row_with_its_type(make: Any, news: Path, look: Any) -> None:
    done = run(spec(news), asked(make, scored(make, 3, 0.25), scored(make, 4, 1)), batch_id="b1", now=NOW)
    assert (done.rows, done.done_at) == (2, NOW)
    assert look("SELECT id, score, typeof(score), note, at, applied FROM news WHERE applied > 0") == [
        (3, 0.25, "real", "n", "2026-11-22T14:30:00+00:00", 1),
        (4, 1.0, "real", "n", "2026-11-22T14:30:00+00:00", 1),
    ]
    assert left(news) == []


def test_any_number_of_runs_applies_each_row_once(make: Any, news: Path, look: Any) -> None:
    answers = asked(make, *(scored(make, n) for n in range(10)))
    for _ in range(3):
        assert run(spec(news), answers, batch_id="b1", now=NOW).rows == 10
    assert look("SELECT DISTINCT applied FROM news") == [(1,)]
    assert look("SELECT count(*) FROM _batchtui_applied") == [(10,)]


def test_another_batch_and_another_mapping_apply_again_and_another_table_is_its_own(
    make: Any, news: Path, look: Any
) -> None:
    answers = asked(make, scored(make, 1))
    run(spec(news), answers, batch_id="b1", now=NOW)
    run(spec(news), answers, batch_id="b2", now=NOW)
    run(spec(news, set={"score": "json.score"}), answers, batch_id="b1", now=NOW)
    assert look("SELECT applied FROM news WHERE id = 1") == [(3,)]


def test_a_retry_applies_what_failed_before_and_nothing_twice(make: Any, news: Path, look: Any) -> None:
    run(spec(news), asked(make, scored(make, 1), make.other("k2", "expired")), batch_id="b1", now=NOW)
    assert left(news) == [("k2", "expired", "it did not run within 24 hours")]
    done = run(spec(news), asked(make, scored(make, 1), scored(make, 2)), batch_id="b1", now=NOW)
    assert done.rows == 2
    assert look("SELECT id, applied FROM news WHERE applied > 0") == [(1, 1), (2, 1)]
    assert left(news) == []


def test_what_does_not_fit_is_listed_and_changes_nothing_at_all(make: Any, news: Path, look: Any) -> None:
    lines = [
        scored(make, 0),
        make.answer("k1", "positive"),
        make.answer("k2", '{"score": 1}'),
        scored(make, 3, "high"),
        scored(make, 4, [1]),
        scored(make, 5, note="forbidden"),
        make.answer("k6", '{"score": 1'),
        scored(make, 7, None, None),
        make.error("k8", "invalid_request_error", "no"),
        scored(make, 9, "0.5"),
    ]
    done = run(spec(news), asked(make, *lines), batch_id="b1", now=NOW)
    assert done.rows == 2
    assert look("SELECT id, score FROM news WHERE applied > 0") == [(0, 0.5), (9, 0.5)]
    assert look("SELECT count(*) FROM news WHERE note IS NOT NULL OR at IS NOT NULL") == [(2,)]
    reasons = {custom_id: (kind, cause) for custom_id, kind, cause in left(news)}
    assert reasons["k1"][0] == "unfit"
    assert "not JSON" in reasons["k1"][1]
    assert reasons["k2"] == ("unfit", "the answer has no note")
    assert reasons["k3"] == ("unfit", 'score takes numbers, but got "high"')
    assert "score takes numbers" in reasons["k4"][1]
    assert "CHECK constraint" in reasons["k5"][1]
    assert reasons["k7"] == ("unfit", "json.score is null")
    assert reasons["k8"] == ("errored", "invalid_request_error: no")
    assert reasons.keys() == {"k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8"}


def test_an_answer_that_meets_no_row_or_several_changes_none(make: Any, news: Path, look: Any) -> None:
    answers = asked(make, scored(make, 1), rows={"k1": {"id": 77}})
    assert run(spec(news), answers, batch_id="b1", now=NOW).rows == 0
    assert [kind for _, kind, _ in left(news)] == ["unmatched"]
    several = spec(news, where={"topic": "t1"})
    lines = [scored(make, 1), scored(make, 2)]
    assert run(several, asked(make, *lines), batch_id="b1", now=NOW).rows == 0
    assert [cause for *_, cause in left(news)] == ["5 rows of the table match"] * 2
    assert look("SELECT sum(applied) FROM news") == [(0,)]


def test_a_row_that_comes_later_is_met_by_the_next_run(make: Any, news: Path, look: Any) -> None:
    answers = asked(make, scored(make, 1), rows={"k1": {"id": 77}})
    run(spec(news), answers, batch_id="b1", now=NOW)
    with sqlite3.connect(news) as connection:
        connection.execute("INSERT INTO news (id) VALUES (77)")
    connection.close()
    assert run(spec(news), answers, batch_id="b1", now=NOW).rows == 1
    assert look("SELECT applied FROM news WHERE id = 77") == [(1,)]


def test_a_doubled_result_is_applied_once_and_the_first_counts(make: Any, news: Path, look: Any) -> None:
    run(spec(news), asked(make, scored(make, 1, 0.1), scored(make, 1, 0.9)), batch_id="b1", now=NOW)
    assert look("SELECT score, applied FROM news WHERE id = 1") == [(0.1, 1)]
    assert [kind for _, kind, _ in left(news)] == ["repeated"]


def test_values_are_bound_and_names_are_quoted(make: Any, tmp_path: Path) -> None:
    evil = 'a"; DROP TABLE news; --'
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as made:
        made.execute('CREATE TABLE "odd ""table" ("id" TEXT, "a col" TEXT)')
        made.execute('INSERT INTO "odd ""table" VALUES (?, NULL)', (evil,))
    options = {"table": 'odd "table', "set": {"a col": "text"}, "where": {"ID": "{{ row.id }}"}}
    answers = asked(make, make.answer("k1", "'); DROP TABLE x; \ud800"), rows={"k1": {"id": evil}})
    assert run(Output("sqlite", str(path), options), answers, batch_id="'", now=NOW).rows == 1
    assert made.execute('SELECT "a col" FROM "odd ""table"').fetchall() == [("'); DROP TABLE x; \ufffd",)]
    made.close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"table": "gone"}, "no table"),
        ({"table": ""}, "name a table"),
        ({"table": "seen"}, "view"),
        ({"set": {"nope": "text"}}, "no column nope"),
        ({"where": {"nope": "1"}}, "no column nope"),
        ({"set": {"double": "json.score"}}, "computed"),
        ({"set": {"score": "jsn.score"}}, "is not a path"),
        ({"set": {}}, "missing"),
        ({"where": {}}, "missing"),
        ({"where": {"id": "row.id"}}, "compared with the text"),
        ({"sett": {}}, "sett"),
        ({"columns": {"a": "text"}}, "takes no `columns`"),
        ({"mode": "upsert"}, "mode"),
        ({"mode": "insert"}, "takes no `set`"),
    ],
)
def test_a_mistake_in_the_job_is_found_before_anything_is_sent(
    news: Path, look: Any, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        check(spec(news, **options))
    assert look("SELECT count(*) FROM sqlite_schema WHERE name = '_batchtui_applied'") == [(0,)]


def test_a_database_that_is_not_there_is_not_made(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "below" / "stock.db"
    for work in (lambda: check(spec(path)), lambda: run(spec(path), asked(make), batch_id="b", now=NOW)):
        with pytest.raises(BadInput, match="does not exist"):
            work()
    assert not path.parent.exists()
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked at " * 50)
    with pytest.raises(BadInput, match="not a SQLite"):
        check(spec(tmp_path / "text.db"))


def test_a_ledger_that_is_somebody_elses_is_left_alone(make: Any, news: Path, look: Any) -> None:
    with sqlite3.connect(news) as connection:
        connection.execute("CREATE TABLE _batchtui_applied (mine)")
    connection.close()
    with pytest.raises(BadInput, match="not ours"):
        run(spec(news), asked(make, scored(make, 1)), batch_id="b1", now=NOW)
    assert look("SELECT sum(applied) FROM news") == [(0,)]


def test_a_rule_that_ends_the_transaction_applies_nothing_outside_of_one(make: Any, news: Path, look: Any) -> None:
    with sqlite3.connect(news) as connection:
        connection.execute("""CREATE TRIGGER strict BEFORE UPDATE OF score ON news WHEN new.score > 1
            BEGIN SELECT RAISE(ROLLBACK, 'too much'); END""")
    connection.close()
    with pytest.raises(NotWritten, match="too much"):
        run(spec(news), asked(make, *(scored(make, n, n) for n in range(5))), batch_id="b1", now=NOW)
    assert look("SELECT sum(applied) FROM news") == [(0,)]
    assert look("SELECT count(*) FROM _batchtui_applied") == [(0,)]


@pytest.mark.parametrize("how", ["FAIL", "ABORT"])
def test_a_rule_that_fails_late_changes_nothing(make: Any, news: Path, look: Any, how: str) -> None:
    with sqlite3.connect(news) as connection:
        connection.execute(f"""CREATE TRIGGER late AFTER UPDATE OF score ON news WHEN new.score > 2
            BEGIN UPDATE news SET note = 'seen' WHERE id = new.id; SELECT RAISE({how}, 'too much'); END""")
    connection.close()
    done = run(spec(news), asked(make, *(scored(make, n, n) for n in range(4))), batch_id="b1", now=NOW)
    assert done.rows == 3
    assert look("SELECT score, note, applied FROM news WHERE id IN (2, 3)") == [(2.0, "n", 1), (None, None, 0)]
    assert look("SELECT count(*) FROM _batchtui_applied") == [(3,)]
    assert left(news) == [("k3", "unfit", "too much")]


def test_a_database_that_another_program_holds_is_said_and_nothing_is_applied(
    make: Any, news: Path, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "WAIT", 0.05)
    held = sqlite3.connect(news, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="locked"):
        run(spec(news), asked(make, scored(make, 1)), batch_id="b1", now=NOW)
    held.execute("ROLLBACK")
    held.close()
    assert look("SELECT sum(applied) FROM news") == [(0,)]


def test_two_that_apply_the_same_at_once_apply_each_row_once(make: Any, tmp_path: Path) -> None:
    path, count = tmp_path / "x.db", 4000
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE news (id INTEGER PRIMARY KEY, n INTEGER DEFAULT 0, score REAL)")
        made.executemany("INSERT INTO news (id) VALUES (?)", [(n,) for n in range(count)])
        made.execute("CREATE TRIGGER c AFTER UPDATE OF score ON news BEGIN UPDATE news SET n=n+1 WHERE id=new.id; END")
    rows = {f"k{n}": {"id": n} for n in range(count)}
    answers = asked(make, *(scored(make, n) for n in range(count)), rows=rows)
    one = Output("sqlite", str(path), {"table": "news", "set": {"score": "json.score"}, "where": WHERE})
    done: list[int | None] = []
    threads = [
        threading.Thread(target=lambda: done.append(run(one, answers, batch_id="b", now=NOW).rows)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [count] * 3
    assert made.execute("SELECT DISTINCT n FROM news").fetchall() == [(1,)]
    made.close()


def test_a_trigger_that_goes_on_for_ever_is_ended_and_its_row_is_named(
    make: Any, news: Path, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_update, "SECONDS", 0.1)
    with sqlite3.connect(news) as made:
        made.execute(
            "CREATE TRIGGER forever AFTER UPDATE OF note ON news WHEN new.id = 4 BEGIN UPDATE news SET at = ("
            "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)"
            ") WHERE id = new.id; END"
        )
    made.close()
    with pytest.raises(NotWritten, match="Changing the row of k4 in news took over") as stopped:
        run(spec(news), asked(make, scored(make, 3), scored(make, 4)), batch_id="b1", now=NOW)
    assert "triggers" in stopped.value.hint
    assert look("SELECT count(*) FROM news WHERE applied > 0") == [(0,)]


def test_a_table_that_feeds_a_full_text_index_is_updated(make: Any, news: Path, look: Any) -> None:
    with sqlite3.connect(news) as made:
        if not made.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone():
            pytest.skip("this SQLite has no fts5")
        made.executescript("""
            CREATE VIRTUAL TABLE words USING fts5(note);
            CREATE TRIGGER indexed AFTER UPDATE OF note ON news BEGIN
                INSERT INTO words (rowid, note) VALUES (new.id, new.note);
            END;
        """)
    made.close()
    run(spec(news), asked(make, scored(make, 3, note="hello world")), batch_id="b1", now=NOW)
    assert look("SELECT rowid FROM words('hello')") == [(3,)]
