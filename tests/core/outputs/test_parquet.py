"""Parquet: the right type for every column, as pyarrow and DuckDB read it, in row groups."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.outputs.kinds import check, export, run

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
ASKED = {
    "who": "key",
    "whole": "json.i",
    "real": "json.f",
    "mixed": "json.n",
    "flag": "json.b",
    "list": "json.l",
    "none": "null",
    "big": "json.big",
    "anything": "json.any",
    "at": "now",
    "source": "row.id",
}


def answers(make: Any, count: int = 3) -> Any:
    def said(n: int) -> str:
        anything = [n, "text", True][n % 3]
        return json.dumps(
            {"i": n, "f": n / 2, "n": [n, n + 0.5][n % 2], "b": n == 1, "l": [n], "big": 10**20 + n, "any": anything}
        )

    keys = make.keys(*((f"k{n}", f"key {n}", {"id": n}) for n in range(count)))
    return make(*(make.answer(f"k{n}", said(n)) for n in range(count)), keys=keys)


def types_in_duckdb(path: Path) -> list[str]:
    """The columns as DuckDB sees them; in a separate process, because it reports its leaks when a process ends."""
    table = f"duckdb.sql(\"DESCRIBE SELECT * FROM '{path}'\")"
    asked = f"import duckdb; print(*(row[1] for row in {table}.fetchall()), sep='|')"
    ended = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return ended.stdout.strip().split("|")


def test_every_column_has_its_type_for_pyarrow_and_for_duckdb(make: Any, out: Path) -> None:
    path = out / "a.parquet"
    spec = Output("parquet", str(path), {"columns": ASKED})
    check(spec)
    assert run(spec, answers(make), batch_id="b", now=NOW).rows == 3
    schema = parquet.read_schema(path)
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "who": pa.string(),
        "whole": pa.int64(),
        "real": pa.float64(),
        "mixed": pa.float64(),
        "flag": pa.bool_(),
        "list": pa.string(),
        "none": pa.string(),
        "big": pa.string(),
        "anything": pa.string(),
        "at": pa.timestamp("us", tz="UTC"),
        "source": pa.int64(),
    }
    assert types_in_duckdb(path) == [
        "VARCHAR",
        "BIGINT",
        "DOUBLE",
        "DOUBLE",
        "BOOLEAN",
        *["VARCHAR"] * 4,
        "TIMESTAMP WITH TIME ZONE",
        "BIGINT",
    ]
    (second,) = parquet.read_table(path).slice(1, 1).to_pylist()
    assert second == {
        "who": "key 1",
        "whole": 1,
        "real": 0.5,
        "mixed": 1.5,
        "flag": True,
        "list": "[1]",
        "none": None,
        "big": str(10**20 + 1),
        "anything": "text",
        "at": NOW,
        "source": 1,
    }


def test_an_export_has_every_result_whatever_became_of_it(make: Any, out: Path) -> None:
    keys = make.keys(("k1", "one", {"price": 1.5, "text": "mine"}), ("k2", "two", {"price": 2}))
    export(make(make.answer("k1", "a\ud800"), make.other("k2", "expired"), keys=keys), str(out / "a.parquet"))
    table = parquet.read_table(out / "a.parquet")
    assert table["custom_id"].to_pylist() == ["k1", "k2"]
    assert table["key"].to_pylist() == ["one", "two"]
    assert table["text"].to_pylist() == ["a\ufffd", ""]
    assert table["output_tokens"].type == pa.int64()
    assert table["output_tokens"].to_pylist() == [4, None]
    assert table["price"].to_pylist() == [1.5, 2.0]
    assert table["row.text"].to_pylist() == ["mine", None]


def test_it_is_written_a_row_group_at_a_time(make: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchtui.core.outputs.parquet._GROUP", 100)
    export(answers(make, 250), str(out / "a.parquet"))
    about = parquet.ParquetFile(out / "a.parquet").metadata
    assert [about.row_group(n).num_rows for n in range(about.num_row_groups)] == [100, 100, 50]


def test_a_count_of_tokens_that_cannot_be_is_null_and_keeps_no_answer_back(make: Any, out: Path) -> None:
    export(make(make.answer("k1", "a", output_tokens=2**63)), str(out / "a.parquet"))
    table = parquet.read_table(out / "a.parquet")
    assert (table["text"].to_pylist(), table["output_tokens"].to_pylist()) == (["a"], [None])


def test_no_results_make_a_table_that_can_be_read(make: Any, out: Path) -> None:
    export(make(), str(out / "a.parquet"))
    assert parquet.read_table(out / "a.parquet").num_rows == 0


def test_without_pyarrow_it_says_what_to_install(make: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadInput) as caught:
        export(make(make.answer("a", "x")), str(out / "a.parquet"))
    assert "batchtui[parquet]" in caught.value.hint
    assert not out.exists()
