from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchtui.core.errors import BadInput
from batchtui.core.jobs.job import Prompt, Source
from batchtui.core.jobs.sources import Found, rows
from batchtui.core.requests.problems import Problem
from tests.core.jobs.conftest import Workshop

KEY = Prompt("{{ id }}", "source.key")


def _rows(shop: Workshop, source: Source) -> tuple[list[Found], list[Problem]]:
    flaws: list[Problem] = []
    return list(rows(source, shop.folder, flaws.append)), flaws


def _csv(shop: Workshop, data: str | bytes, delimiter: str = ",") -> tuple[list[Found], list[Problem]]:
    shop.file("a.csv", data)
    return _rows(shop, Source(kind="csv", path="a.csv", key=KEY, delimiter=delimiter))


def _database(shop: Workshop, script: str, query: str) -> tuple[list[Found], list[Problem]]:
    database = sqlite3.connect(shop.folder / "a.db")
    database.executescript(script)
    database.close()
    return _rows(shop, Source(kind="sqlite", path="a.db", key=KEY, query=query))


def test_csv_cells_are_text_under_the_names_of_the_header(shop: Workshop) -> None:
    found, flaws = _csv(shop, b'\xef\xbb\xbfid,a b\r\n1,"x, ""y""\nz"\r\n\r\n007,\xc3\xa9\r\n')
    assert [one.row for one in found] == [{"id": "1", "a b": 'x, "y"\nz'}, {"id": "007", "a b": "é"}]
    assert [one.where for one in found] == ["line 3", "line 5"]
    assert not flaws


def test_csv_takes_the_delimiter_that_is_set_and_guesses_none(shop: Workshop) -> None:
    assert _csv(shop, "id;a\n1;x,y\n", ";")[0][0].row == {"id": "1", "a": "x,y"}


@pytest.mark.parametrize("header", ["id;t", '"id";"t"', '"id"\t"t"', '"id"|t'])
def test_of_another_delimiter_the_hint_names_it(shop: Workshop, header: str) -> None:
    with pytest.raises(BadInput, match="line 1 is a single column") as raised:
        _csv(shop, f"{header}\n")
    delimiter = header.strip('"idt').replace("\t", "\\t")
    assert raised.value.hint == f'Set delimiter = "{delimiter}" in [source].'


def test_csv_cells_may_be_long(shop: Workshop) -> None:
    assert len(_csv(shop, f"id,a\n1,{'x' * 1_000_000}\n")[0][0].row["a"]) == 1_000_000


def test_csv_lines_of_another_width_are_noted_and_the_others_come(shop: Workshop) -> None:
    found, flaws = _csv(shop, "id,a\n1,x\n2\n3,x,y\n4,z\n")
    assert [one.row["id"] for one in found] == ["1", "4"]
    assert [(flaw.where, flaw.message) for flaw in flaws] == [
        ("line 3", "It has 1 cell; the header has 2."),
        ("line 4", "It has 3 cells; the header has 2."),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"id,,b\n", "column 2 has no name"),
        (b"id,a,a\n", "2 columns have the name “a”"),
        (b'id,a\n1,"x\n2,y\n', "line 3: unexpected end of data"),
        (b'id,a\n1,"x"y\n', "line 2: ',' expected"),
        (b"id,a\n1,\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
        (b"id,a\n" + b"1,x\n" * 9000 + b"2,\xe9\n", "line 9002: byte 0xe9 is not UTF-8"),
        (b'"id";"t"\n"1";"a, b"\n', 'with the delimiter ",", line 1 is a single column'),
        (b'"id"x,a\n', "line 1: ',' expected"),
    ],
)
def test_csv_that_cannot_be_read_says_where(shop: Workshop, data: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        _csv(shop, data)


def test_json_lines_keep_their_types_and_bad_lines_are_noted(shop: Workshop) -> None:
    shop.file("a.jsonl", '{"id": 1, "a": [true, null]}\n\n[1]\n{"id": \n{"id": 2}\n')
    found, flaws = _rows(shop, Source(kind="jsonl", path="a.jsonl", key=KEY))
    assert [one.row for one in found] == [{"id": 1, "a": [True, None]}, {"id": 2}]
    assert [flaw.where for flaw in flaws] == ["line 3", "line 4"]


def test_a_json_array_of_objects_is_taken_too(shop: Workshop) -> None:
    shop.file("a.json", '[{"id": 1},\n {"id": 2}]')
    found, _ = _rows(shop, Source(kind="jsonl", path="a.json", key=KEY))
    assert [(one.where, one.row) for one in found] == [("row 1", {"id": 1}), ("row 2", {"id": 2})]


def test_files_of_a_folder_come_in_the_order_of_their_paths(shop: Workshop) -> None:
    for name in ("b.md", "sub/a.md", "a.md", ".hidden.md", "sub/.git/x.md", "c.txt"):
        shop.file(f"in/{name}", f"text of {name}")
    found, flaws = _rows(shop, Source(kind="folder", path="in", key=KEY, glob="**/*.md"))
    assert [one.row["path"] for one in found] == ["a.md", "b.md", "sub/a.md"]
    assert found[2].row == {"name": "a.md", "stem": "a", "path": "sub/a.md", "text": "text of sub/a.md"}
    assert not flaws


def test_a_link_out_of_the_folder_is_never_followed(shop: Workshop) -> None:
    secret = shop.file("secret.txt", "secret")
    shop.file("in/a.txt", "a")
    (shop.folder / "in/b.txt").symlink_to(secret)
    (shop.folder / "in/c.txt").symlink_to("a.txt")
    found, flaws = _rows(shop, Source(kind="folder", path="in", key=KEY))
    assert [one.row["text"] for one in found] == ["a", "a"]
    assert [flaw.kind for flaw in flaws] == ["outside"]


def test_a_file_that_is_no_text_is_noted(shop: Workshop) -> None:
    shop.file("in/a.png", b"\x89PNG")
    assert [flaw.kind for flaw in _rows(shop, Source(kind="folder", path="in", key=KEY))[1]] == ["not_utf8"]


def test_a_query_gives_rows_with_their_types(shop: Workshop) -> None:
    script = "CREATE TABLE t (id, a); INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, 1.5), (4, x'00');"
    found, flaws = _database(shop, script, "SELECT id, a FROM t ORDER BY id")
    assert [one.row for one in found] == [{"id": 1, "a": "x"}, {"id": 2, "a": None}, {"id": 3, "a": 1.5}]
    assert [(flaw.where, flaw.field, flaw.kind) for flaw in flaws] == [("row 4", "a", "bytes")]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM t",
        "UPDATE t SET a = 1",
        "ATTACH 'other.db' AS o",
        "PRAGMA journal_mode = DELETE",
        "CREATE TABLE u (x)",
        "DELETE FROM t RETURNING id",
        "SELECT 1; DELETE FROM t",
        "SELECT nothing FROM t",
        "SELECT id, id FROM t",
        "-- nothing",
    ],
)
def test_a_query_can_only_read(shop: Workshop, query: str) -> None:
    with pytest.raises(BadInput):
        _database(shop, "CREATE TABLE t (id, a); INSERT INTO t VALUES (1, 2);", query)
    database = sqlite3.connect(shop.folder / "a.db")
    assert database.execute("SELECT * FROM t").fetchall() == [(1, 2)]
    database.close()
    assert not (shop.folder / "other.db").exists()


def test_a_query_does_not_make_a_database_that_is_not_there(shop: Workshop) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        _rows(shop, Source(kind="sqlite", path="none.db", key=KEY, query="SELECT 1"))
    assert not (shop.folder / "none.db").exists()


def test_parquet_rows_come_with_values_of_json(shop: Workshop) -> None:
    from datetime import UTC, datetime
    from decimal import Decimal

    table: dict[str, Any] = {
        "id": list(range(1200)),
        "at": [datetime(2026, 1, 2, 3, tzinfo=UTC)] * 1200,
        "price": [Decimal("1.50")] * 1200,
        "tags": [["a", "b"]] * 1200,
    }
    pq.write_table(pa.table(table), shop.folder / "a.parquet", row_group_size=100)
    found, _ = _rows(shop, Source(kind="parquet", path="a.parquet", key=KEY))
    assert [one.row["id"] for one in found] == list(range(1200))
    assert found[0].row == {"id": 0, "at": "2026-01-02T03:00:00Z", "price": "1.50", "tags": ["a", "b"]}
    assert found[-1].where == "row 1200"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "folder", "sqlite", "parquet"])
def test_a_source_that_is_not_there_is_bad_input(shop: Workshop, kind: Any) -> None:
    with pytest.raises(BadInput, match="none"):
        _rows(shop, Source(kind=kind, path="none", key=KEY, query="SELECT 1"))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "sqlite", "parquet"])
def test_a_source_of_another_kind_is_bad_input(shop: Workshop, kind: Any) -> None:
    shop.file("odd", b"\x00\xff\x1f\x8b" * 100)
    shop.file("folder/x", "")
    with pytest.raises(BadInput):
        found, flaws = _rows(shop, Source(kind=kind, path="odd", key=KEY, query="SELECT 1 AS a FROM sqlite_schema"))
        if flaws and not found:
            raise BadInput(flaws[0].message)
    with pytest.raises(BadInput):
        _rows(shop, Source(kind=kind, path="folder", key=KEY, query="SELECT 1"))


def test_a_database_named_like_an_address_is_still_a_file(shop: Workshop, tmp_path: Path) -> None:
    odd = shop.folder / "a?mode=rw#%41.db"
    database = sqlite3.connect(odd)
    database.executescript("CREATE TABLE t (id); INSERT INTO t VALUES (7);")
    database.close()
    found, _ = _rows(shop, Source(kind="sqlite", path=odd.name, key=KEY, query="SELECT id FROM t"))
    assert found[0].row == {"id": 7}


def _column(kind: pa.DataType, *ticks: int) -> pa.Array:
    return pa.array(ticks, pa.int64() if kind.bit_width == 64 else pa.int32()).cast(kind)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (_column(pa.timestamp("ns"), 10**9, 1), "1970-01-01 00:00:00.000000001"),
        (_column(pa.timestamp("ns", "Europe/Paris"), 10**9, 1), "1970-01-01 01:00:00.000000001+0100"),
        (_column(pa.time64("ns"), 1000, 1), "00:00:00.000000001"),
        (_column(pa.date32(), 0, 2**22), "13453-08-13"),
    ],
    ids=lambda one: str(one.type) if isinstance(one, pa.Array) else "",
)
def test_a_parquet_time_that_python_has_no_type_for_is_text(shop: Workshop, column: pa.Array, value: str) -> None:
    pq.write_table(pa.table({"id": [0, 1], "at": column}), shop.folder / "a.parquet")
    found, problems = _rows(shop, Source(kind="parquet", path="a.parquet", key=KEY))
    assert (len(found), problems) == (2, [])
    assert found[1].row["at"] == value


@pytest.mark.parametrize(
    "column",
    [
        _column(pa.duration("s"), 1, 2**62),
        pa.array([b"a", b"\xff"], pa.binary()).cast(pa.string(), safe=False),
        pa.array([["a"], [b"\xff"]], pa.list_(pa.binary())).cast(pa.list_(pa.string()), safe=False),
    ],
    ids=lambda one: str(one.type),
)
def test_a_parquet_cell_that_cannot_be_read_is_a_problem_of_its_row(shop: Workshop, column: pa.Array) -> None:
    pq.write_table(pa.table({"id": [0, 1], "odd": column}), shop.folder / "a.parquet")
    found, problems = _rows(shop, Source(kind="parquet", path="a.parquet", key=KEY))
    assert [one.where for one in found] == ["row 1"]
    assert [(one.line, one.field) for one in problems] == [(2, "odd")]
    assert problems[0].message.startswith("Column “odd” cannot be read: ")
