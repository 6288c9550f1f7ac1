# ruff: noqa: E501 - a query is easier to read on one line
"""Everything that reads works in a query; nothing writes, reaches out of the database, or goes on for ever."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.errors import BadInput, Busy
from batchtui.core.jobs import sqlite_source
from batchtui.core.jobs.sqlite_source import query_rows

_MADE = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a, j);
INSERT INTO t VALUES (1, 'x', '[1, 2]'), (2, 'y', '{"a": [3]}');
CREATE VIEW v AS SELECT id, a FROM t;
"""
_MODULES = {
    "fts3": "CREATE VIRTUAL TABLE f3 USING fts3(body); INSERT INTO f3 VALUES ('hello world');",
    "fts4": "CREATE VIRTUAL TABLE f4 USING fts4(body); INSERT INTO f4 VALUES ('hello world');"
    "CREATE VIRTUAL TABLE f4a USING fts4aux(f4);",
    "fts5": "CREATE VIRTUAL TABLE f5 USING fts5(body); INSERT INTO f5 VALUES ('hello world');"
    "CREATE VIRTUAL TABLE f5v USING fts5vocab(f5, 'row');",
    "rtree": "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1); INSERT INTO r VALUES (1, 0, 1);"
    "CREATE VIRTUAL TABLE r32 USING rtree_i32(id, x0, x1); INSERT INTO r32 VALUES (1, 0, 1);",
}
_NEEDS = {"f3": "fts3", "f4": "fts4", "f5": "fts5", "FROM r": "rtree", "rtreecheck": "rtree"}


def _has(module: str) -> bool:
    database = sqlite3.connect(":memory:")
    return bool(database.execute("SELECT 1 FROM pragma_module_list WHERE name = ?", (module,)).fetchone())


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    made = sqlite3.connect(path)
    made.executescript(_MADE)
    for module, script in _MODULES.items():
        if _has(module):
            made.executescript(script)
    made.close()
    return path


def _rows(path: Path, query: str) -> list[dict[str, Any]]:
    return [row for _, row in query_rows(path, query, lambda header: None)]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("SELECT value FROM t, json_each(t.j)", 1),
        ("""SELECT fullkey FROM json_tree('{"a": 1}') WHERE type = 'integer'""", "$.a"),
        ("SELECT json_extract(j, '$.a[0]') FROM t WHERE id = 2", 3),
        ("SELECT body FROM f3 WHERE f3 MATCH 'hello'", "hello world"),
        ("SELECT snippet(f4) FROM f4 WHERE body MATCH 'hello'", "<b>hello</b> world"),
        ("SELECT term FROM f4a", "hello"),
        ("SELECT highlight(f5, 0, '<', '>') FROM f5('hello') ORDER BY rank", "<hello> world"),
        ("SELECT term FROM f5v", "hello"),
        ("SELECT id FROM r WHERE x0 >= 0 AND x1 <= 1", 1),
        ("SELECT id FROM r32 WHERE x0 >= 0", 1),
        ("SELECT name FROM pragma_table_info('t')", "id"),
        ("PRAGMA table_info(t)", 0),
        ("PRAGMA user_version", 0),
        ("SELECT a FROM v", "x"),
        ("WITH RECURSIVE n(i) AS (SELECT 7 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n", 7),
        ("SELECT row_number() OVER (ORDER BY id DESC) FROM t", 1),
        ("SELECT group_concat(a, '-') FROM t", "x-y"),
        ("SELECT rtreecheck('r')", "ok"),
        ("VALUES (1, 2)", 1),
        ("EXPLAIN QUERY PLAN SELECT * FROM t", 2),
    ],
)
def test_whatever_reads_may_be_asked(database: Path, query: str, first: Any) -> None:
    for name, module in _NEEDS.items():
        if name in query and not _has(module):
            pytest.skip(f"this SQLite has no {module}")
    before = database.read_bytes()
    assert next(iter(_rows(database, query)[0].values())) == first
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO t (a) VALUES ('z')",
        "INSERT INTO t (a) VALUES ('z') RETURNING id",
        "UPDATE t SET a = 'z' RETURNING id",
        "DELETE FROM t RETURNING id",
        "WITH x AS (SELECT 1) DELETE FROM t RETURNING id",
        "REPLACE INTO t VALUES (1, 'z', '') RETURNING id",
        "INSERT INTO f5 (f5) VALUES ('optimize')",
        "INSERT INTO r VALUES (9, 0, 1)",
        "CREATE TABLE u AS SELECT 1",
        "CREATE TEMP TABLE u AS SELECT 1",
        "CREATE VIRTUAL TABLE u USING fts5(x)",
        "CREATE VIEW u AS SELECT 1",
        "DROP TABLE t",
        "ALTER TABLE t RENAME TO u",
        "ATTACH 'other.db' AS o",
        "ATTACH 'file:other.db?mode=rwc' AS o",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO 'other.db'",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "SAVEPOINT s",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = WAL",
        "PRAGMA journal_mode(delete)",
        "PRAGMA user_version = 5",
        "PRAGMA writable_schema = ON",
        "PRAGMA wal_checkpoint",
        "PRAGMA optimize",
        "PRAGMA incremental_vacuum",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA hard_heap_limit = 0",
        "SELECT load_extension('x')",
        "SELECT LOAD_EXTENSION('x')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT writefile('other.db', 'x')",
        "SELECT 1; DROP TABLE t",
    ],
)
def test_nothing_is_written_and_no_other_file_is_reached(
    database: Path, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(database.parent)
    before = database.read_bytes()
    with pytest.raises(BadInput):
        _rows(database, query)
    assert database.read_bytes() == before
    assert [one.name for one in database.parent.iterdir()] == ["a.db"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
            "was ended: a row took over",
        ),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 5 OR i < 0",
            "was ended at row 5: a row took over",
        ),
        (
            (
                "SELECT count(*) FROM t a, t b, t c, t d, t e, t f, t g, t h, t i, t j, t k, t l, t m, t n, t o, t p, t q, "
                "t r, t s, t u, t w, t x, t y, t z, t aa, t bb, t cc, t dd, t ee, t ff"
            ),
            "was ended",
        ),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", "more than 1,000 rows"),
        ("SELECT randomblob(1000000000)", "a value has over 64.0 MB"),
        ("SELECT zeroblob(1000000000)", "a value has over 64.0 MB"),
        ("SELECT hex(zeroblob(60000000))", "a value has over 64.0 MB"),
        ("SELECT replace(hex(zeroblob(1000000)), '0', hex(zeroblob(1000)))", "a value has over 64.0 MB"),
        (
            (
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
                "SELECT group_concat(hex(zeroblob(1000000))) FROM n"
            ),
            "a value has over 64.0 MB",
        ),
        (
            (
                "SELECT randomblob(60000000) a, randomblob(60000000) b, randomblob(60000000) c, randomblob(60000000) d, "
                "randomblob(60000000) e, randomblob(60000000) f"
            ),
            "needs too much memory",
        ),
    ],
)
def test_a_query_that_never_ends_or_takes_all_memory_is_ended(
    database: Path, query: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_source, "SECONDS", 0.1)
    monkeypatch.setattr(sqlite_source, "MOST", 1000)
    with pytest.raises(BadInput) as refused:
        _rows(database, query)
    assert said in refused.value.message
    assert refused.value.hint


def test_a_large_cell_is_read(database: Path) -> None:
    (row,) = _rows(database, "SELECT hex(zeroblob(15000000)) AS a")
    assert len(row["a"]) == 30_000_000


def test_what_another_program_wrote_in_wal_mode_is_read(database: Path) -> None:
    writer = sqlite3.connect(database)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("INSERT INTO t VALUES (3, 'z', '')")
    writer.commit()
    assert _rows(database, "SELECT max(id) AS m FROM t") == [{"m": 3}]
    writer.close()
    assert _rows(database, "SELECT max(id) AS m FROM t") == [{"m": 3}]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_wal_database_in_a_folder_that_is_only_readable_is_read(database: Path) -> None:
    writer = sqlite3.connect(database)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.close()
    database.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert _rows(database, "SELECT max(id) AS m FROM t") == [{"m": 2}]
    finally:
        database.parent.chmod(0o700)


def _kept_out(database: Path) -> None:
    """Puts the database into WAL mode, and keeps SQLite from making the file beside it that it then needs."""
    writer = sqlite3.connect(database)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.close()
    database.with_name("a.db-shm").symlink_to("nowhere")


def test_a_database_that_sqlite_cannot_lock_is_read_while_nobody_writes(database: Path) -> None:
    _kept_out(database)
    assert _rows(database, "SELECT max(id) AS m FROM t") == [{"m": 2}]


def test_what_another_program_writes_while_it_is_read_without_a_lock_is_not_taken(database: Path) -> None:
    _kept_out(database)
    rows = query_rows(database, "SELECT id FROM t", lambda header: None)
    next(rows)
    with database.open("r+b") as file:
        file.write(b"SQLite format 3")
    os.utime(database, (1, 1))
    with pytest.raises(Busy, match=r"a\.db was changed"):
        list(rows)


def test_what_another_program_has_not_committed_is_never_read(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_source, "SHORT_WAIT", 0.05)
    filled = sqlite3.connect(database)
    filled.executemany("INSERT INTO t (a) VALUES (?)", [("x" * 300,)] * 3000)
    filled.commit()
    filled.close()
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("PRAGMA journal_mode = MEMORY")
    writer.execute("PRAGMA cache_size = 5")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE t SET a = 'not committed'")
    with pytest.raises(Busy, match=r"a\.db") as refused:
        _rows(database, "SELECT a FROM t")
    assert "again" in refused.value.hint
    writer.execute("ROLLBACK")
    writer.close()
    assert len(_rows(database, "SELECT a FROM t WHERE a <> 'not committed'")) == 3002


def test_what_a_killed_writer_left_beside_a_database_is_said(database: Path) -> None:
    copy = database.with_name("b.db")
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("BEGIN")
    writer.executemany("INSERT INTO t (a) VALUES (?)", [("x" * 3000,)] * 300)
    copy.write_bytes(database.read_bytes())
    copy.with_name("b.db-journal").write_bytes(database.with_name("a.db-journal").read_bytes())
    writer.execute("ROLLBACK")
    writer.close()
    with pytest.raises(BadInput, match="cut short") as refused:
        _rows(copy, "SELECT a FROM t")
    assert "sqlite3" in refused.value.hint
