"""Sources of jobs: CSV, JSON lines, SQLite and Parquet, more or less malformed."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.torture import mutations
from tests.torture import odd_values as odd


def write_source(random: Random, folder: Path) -> tuple[str, str]:
    """Writes a source; its name, and the lines that [source] needs more."""
    return random.choice((_csv, _json, _sqlite, _parquet))(random, folder)


def _rows(random: Random) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"id": at, "title": f"Title {at}", "number": at * 1.5} for at in range(4)]
    if random.random() < 0.6:
        row = random.choice(rows)
        row[random.choice(list(row))] = odd.value(random)
    return rows


def _csv(random: Random, folder: Path) -> tuple[str, str]:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["id", "title", "number"], delimiter=random.choice(",,;\t"))
    writer.writeheader()
    for row in _rows(random):
        writer.writerow(row)
    data = text.getvalue().encode("utf-8", "surrogatepass")
    data = mutations.broken(data, random) if random.random() < 0.6 else data
    (folder / "rows.csv").write_bytes(mutations.recoded(data, random))
    return "rows.csv", random.choice(
        ("", "", 'delimiter = ";"', 'delimiter = "\\t"', 'delimiter = "\\u0000"', 'delimiter = "é"')
    )


def _json(random: Random, folder: Path) -> tuple[str, str]:
    lines = [odd.dump(row, random, random.choice((0.0, 0.3))) for row in _rows(random)]
    data = ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")
    data = mutations.broken(data, random) if random.random() < 0.5 else data
    name = random.choice(("rows.jsonl", "rows.json"))
    (folder / name).write_bytes(mutations.recoded(data, random))
    return name, ""


_QUERIES = (
    "SELECT id, title, number FROM rows",
    "SELECT * FROM rows",
    "SELECT id, id, title FROM rows",
    "SELECT",
    "SELECT 1; SELECT 2",
    "INSERT INTO rows VALUES (9, 'x', 1)",
    "DROP TABLE rows",
    "PRAGMA writable_schema = 1",
    "ATTACH 'x.db' AS x",
    "SELECT id, zeroblob(100) AS title, 1 AS number FROM rows",
    "SELECT id, title, 9e999 AS number FROM rows",
    'SELECT id AS "", title FROM rows',
    "SELECT json_each.value AS id, 'a' AS title, 1 AS number FROM json_each('[1,2,3]')",
    "SELECT id, CAST(x'ff80' AS TEXT) AS title, number FROM rows",
    "SELECT id, load_extension('x') AS title FROM rows",
    "SELECT id, title, -9223372036854775808 AS number FROM rows",
    "WITH a AS (SELECT 1 AS id, 'x' AS title) SELECT * FROM a",
)


def _sqlite(random: Random, folder: Path) -> tuple[str, str]:
    path = folder / "rows.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE rows (id, title, number)")
        for row in _rows(random):
            database.execute("INSERT INTO rows VALUES (?, ?, ?)", [_cell(one) for one in row.values()][:3])
        database.commit()
    if random.random() < 0.4:
        path.write_bytes(mutations.broken(path.read_bytes(), random))
    query = random.choice(_QUERIES) if random.random() < 0.5 else _QUERIES[0]
    return "rows.db", f"query = '''{query}'''"


def _cell(given: Any) -> Any:
    if isinstance(given, int) and not -(2**63) <= given < 2**63:
        return float(given)
    if isinstance(given, str):
        return given.encode("utf-8", "surrogatepass") if not given.isprintable() else str(given)
    return given if given is None or isinstance(given, (int, float)) else repr(given).encode()


_COLUMNS: tuple[Callable[[], pa.Array], ...] = (
    lambda: pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 4, pa.timestamp("ns", "UTC")),
    lambda: pa.array([2**62] * 4, pa.timestamp("ns")),
    lambda: pa.array([1, -(2**42), 2**45, 0], pa.timestamp("s")),
    lambda: pa.array([timedelta(days=1)] * 4),
    lambda: pa.array([2**62 + 1] * 4, pa.duration("ns")),
    lambda: pa.array([date(1, 1, 1), date(9999, 12, 31), None, date(2026, 1, 1)]),
    lambda: pa.array([-(10**6), 2**30, 0, 1], pa.date32()),
    lambda: pa.array([Decimal("1.5"), Decimal("-9999999999.99"), None, Decimal(0)], pa.decimal128(20, 2)),
    lambda: pa.array([b"\xff\x00", b"", None, b"x" * 1000]),
    lambda: pa.array([[1, 2], [], None, [None]]),
    lambda: pa.array([{"a": 1}, {"a": None}, None, {"a": 3}]),
    lambda: pa.array([[("k", 1)], [], None, [("k", 2), ("k", 3)]], pa.map_(pa.string(), pa.int64())),
    lambda: pa.array([float("nan"), float("inf"), -0.0, None]),
    lambda: pa.array([2**64 - 1, 0, 1, 2], pa.uint64()),
    lambda: pa.array(["a", "b", "a", None]).dictionary_encode(),
    lambda: pa.array([None] * 4, pa.null()),
    lambda: pa.array([1, 2, 3, 2**40], pa.time64("us")),
    lambda: pa.array([True, False, None, True]),
    lambda: pa.array(["a\0b", "", "\x1b[2J", "é"]),
)


def _parquet(random: Random, folder: Path) -> tuple[str, str]:
    columns = {"id": pa.array(range(4)), "title": pa.array(list("abcd")), "number": pa.array([1.0] * 4)}
    if random.random() < 0.7:
        columns[random.choice(("id", "title", "number", ""))] = random.choice(_COLUMNS)()
    path = folder / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    if random.random() < 0.4:
        path.write_bytes(mutations.broken(path.read_bytes(), random))
    return "rows.parquet", ""
