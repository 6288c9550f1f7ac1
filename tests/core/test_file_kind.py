"""What a file is goes by its bytes, and the advice fits that, whatever it is called."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from batchtui.core.errors import BadInput
from batchtui.core.file_kind import better_delimiter, looks_like_csv, not_text, other_text
from batchtui.core.jobs.job import Prompt, Source
from batchtui.core.jobs.read_job import BadJob, read_job
from batchtui.core.jobs.sources import rows
from batchtui.core.requests.check import check
from batchtui.core.settings import read_settings

TABLE = "id,title\n1,one\n2,zwei\n"


def workbook() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return data.getvalue()


def archive() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as zipped:
        zipped.writestr("rows.csv", TABLE)
    return data.getvalue()


def spreadsheet() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        archive.writestr("content.xml", "<office:document-content/>")
    return data.getvalue()


def database(folder: Path) -> bytes:
    sqlite3.connect(folder / "made.db").executescript("CREATE TABLE t (a); VACUUM;").close()
    return (folder / "made.db").read_bytes()


def columns(folder: Path) -> bytes:
    parquet.write_table(pa.table({"a": [1]}), folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


REQUEST = json.dumps({"custom_id": "a", "params": {"model": "m"}}) + "\n"
PAGE = b"\n<!DOCTYPE html>\n<html><body>Please sign in</body></html>"
BYTES: dict[str, tuple[Callable[[Path], bytes], str, str]] = {
    "utf16": (lambda _: TABLE.encode("utf-16"), "UTF-16", "iconv -f UTF-16 "),
    "utf16be": (lambda _: b"\xfe\xff" + TABLE.encode("utf-16-be"), "UTF-16", "iconv -f UTF-16 "),
    "utf16le without a mark": (lambda _: TABLE.encode("utf-16-le"), "UTF-16", "iconv -f UTF-16LE"),
    "utf16be without a mark": (lambda _: TABLE.encode("utf-16-be"), "UTF-16", "iconv -f UTF-16BE"),
    "utf32": (lambda _: TABLE.encode("utf-32"), "UTF-32", "iconv -f UTF-32"),
    "gzip": (lambda _: gzip.compress(TABLE.encode()), "gzip", "gunzip"),
    "bzip2": (lambda _: bz2.compress(TABLE.encode()), "bzip2", "bunzip2"),
    "xz": (lambda _: lzma.compress(TABLE.encode()), "xz", "unxz"),
    "zstd": (lambda _: b"\x28\xb5\x2f\xfd\x04\x00", "zstd", "unzstd"),
    "zip": (lambda _: archive(), "zip archive", "unzip"),
    "xlsx": (lambda _: workbook(), "Excel workbook", "CSV"),
    "ods": (lambda _: spreadsheet(), "OpenDocument spreadsheet", "Save it as CSV"),
    "pdf": (lambda _: b"%PDF-1.7\n%\xe2\xe3", "PDF", "pdftotext"),
    "sqlite": (database, "SQLite database", 'kind = "sqlite"'),
    "parquet": (columns, "Parquet file", 'kind = "parquet"'),
    "html": (lambda _: PAGE, "web page", "sign-in"),
    "xml": (lambda _: b'<?xml version="1.0"?><rows/>', "XML", "Convert"),
    "lfs": (lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS", "git lfs pull"),
    "nul": (lambda _: b"id,title\n\0\1\2", "NUL bytes", "UTF-8"),
}
FOREIGN = pytest.mark.parametrize("name", BYTES)


def csv_of(path: Path, kind: str = "csv", **more: str) -> list[dict[str, str]]:
    source = Source(kind=kind, path=path.name, key=Prompt("{{ id }}", "key"), **more)  # type: ignore[arg-type]
    return [found.row for found in rows(source, path.parent, lambda problem: pytest.fail(problem.message))]


def said(error: BadInput) -> str:
    assert "WINDOWS-1252" not in error.hint
    return f"{error.message} {error.hint}"


@FOREIGN
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_source_that_is_something_else_says_what_and_what_to_do(tmp_path: Path, name: str, kind: str) -> None:
    make, what, do = BYTES[name]
    (tmp_path / f"rows.{kind}").write_bytes(make(tmp_path))
    with pytest.raises(BadInput) as caught:
        csv_of(tmp_path / f"rows.{kind}", kind)
    assert what in caught.value.message
    assert do in said(caught.value)


@FOREIGN
def test_a_file_of_requests_that_is_something_else_does_too(tmp_path: Path, name: str) -> None:
    make, what, do = BYTES[name]
    (tmp_path / "rows.jsonl").write_bytes(make(tmp_path))
    (problem,) = check(tmp_path / "rows.jsonl").problems
    assert problem.kind == "not_text"
    assert what in problem.message
    assert do in problem.hint


@FOREIGN
def test_so_does_a_job_and_so_do_the_settings(tmp_path: Path, name: str) -> None:
    make, what, do = BYTES[name]
    (tmp_path / "job.toml").write_bytes(make(tmp_path))
    with pytest.raises(BadInput) as caught:
        read_job(tmp_path / "job.toml")
    assert what in said(caught.value)
    assert do in said(caught.value)
    if what not in ("web page", "XML"):
        with pytest.raises(BadInput, match=what):
            read_settings(tmp_path / "job.toml")


@pytest.mark.parametrize("kind", ["sqlite", "parquet"])
@pytest.mark.parametrize("name", ["gzip", "xlsx", "html", "utf16", "sqlite", "parquet"])
def test_so_does_a_database_or_parquet_file(tmp_path: Path, name: str, kind: str) -> None:
    if name == kind:
        return
    make, what, _ = BYTES[name]
    (tmp_path / "rows").write_bytes(make(tmp_path))
    with pytest.raises(BadInput, match=what) as caught:
        csv_of(tmp_path / "rows", kind, query="SELECT * FROM sqlite_schema")
    assert "SELECT" not in caught.value.hint


@pytest.mark.parametrize(("data", "what"), [(TABLE.encode(), "a table"), (b"", "empty"), (b"hello", "not one")])
@pytest.mark.parametrize("kind", ["sqlite", "parquet"])
def test_a_text_or_nothing_in_their_place_is_said_too(tmp_path: Path, kind: str, data: bytes, what: str) -> None:
    (tmp_path / "rows").write_bytes(data)
    if kind == "sqlite" and not data:
        return  # an empty file is an empty database
    with pytest.raises(BadInput, match=what):
        csv_of(tmp_path / "rows", kind, query="SELECT count(*) FROM sqlite_schema")


def test_json_under_the_name_of_a_csv_and_back_and_a_job_under_either(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    for text in (REQUEST * 2, json.dumps([{"id": 1}], indent=1)):
        path.write_text(text)
        with pytest.raises(BadInput, match=r"is JSON, not CSV\.") as caught:
            csv_of(path)
        assert 'kind = "jsonl"' in caught.value.hint
    path.write_text('# a job\nname = "daily"\n[source]\npath = "x"\n')
    with pytest.raises(BadInput, match="is TOML") as caught:
        csv_of(path)
    assert ".toml" in caught.value.hint
    for text in ('name = "daily"\n', '[source]\npath = "x"\n', '[[step]]\nname = "x"\n'):
        path.write_text(text)
        (problem,) = check(path).problems
        assert "TOML" in problem.message
        assert ".toml" in problem.hint
    path.write_text(TABLE)
    (problem,) = check(path).problems
    assert "a table (CSV)" in problem.message
    assert "examples" in problem.hint


@pytest.mark.parametrize(("text", "what"), [(REQUEST, "JSON, not TOML"), (TABLE, r"a table \(CSV\), not TOML")])
def test_requests_or_a_table_under_the_name_of_a_job_are_said(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "job.toml").write_text(text)
    with pytest.raises(BadJob, match=what) as caught:
        read_job(tmp_path / "job.toml")
    assert ".jsonl" in caught.value.hint or "examples" in caught.value.hint


@pytest.mark.parametrize(
    "text", [TABLE, "id\n1\n", '"a\nb",c\n1,2\n', "<5,>5\n1,2\n", "ä;ö\n1;2\n", "x = y,z\n1,2\n", ""]
)
def test_a_plain_table_is_nothing_else(text: str) -> None:
    assert not_text(text.encode()) is None
    assert other_text(text.encode()) is None


@pytest.mark.parametrize(
    "text", [REQUEST, '{"a": "b,c"}\n{"a": "d,e"}\n', "hello\nworld\n", "[1,2]\n[3,4]\n", "one,two\n"]
)
def test_rows_of_json_and_plain_words_are_no_table(text: str) -> None:
    assert not looks_like_csv(text.encode())


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_table_with_another_delimiter_hears_of_it(tmp_path: Path, mark: str) -> None:
    shown = r"\t" if mark == "\t" else mark
    path = tmp_path / "rows.csv"
    path.write_text(f"id{mark}title\n1{mark}one, two\n")
    with pytest.raises(BadInput, match="a single column") as caught:
        csv_of(path)
    assert f'delimiter = "{shown}"' in caught.value.hint
    assert csv_of(path, delimiter=mark) == [{"id": "1", "title": "one, two"}]
    path.write_text(TABLE)
    with pytest.raises(BadInput, match="a single column") as caught:
        csv_of(path, delimiter=mark)
    assert 'delimiter = ","' in caught.value.hint


def test_so_does_one_whose_header_holds_both_and_one_that_excel_marked(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id;price, net;title\n1;2;3\n")
    found = []
    source = Source(kind="csv", path="rows.csv", key=Prompt("{{ id }}", "key"))
    list(rows(source, tmp_path, found.append))
    assert 'delimiter = ";"' in found[0].hint
    path.write_text("sep=;\nid;title\n1;2\n")
    with pytest.raises(BadInput, match="Excel's separator") as caught:
        csv_of(path)
    assert 'delimiter = ";"' in caught.value.hint


def test_a_column_that_has_such_a_mark_in_its_name_is_read(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('"id; or key"\n1\n')
    assert csv_of(tmp_path / "rows.csv") == [{"id; or key": "1"}]
    assert better_delimiter("id,title", ",") == ""


def test_a_text_of_older_windows_is_the_only_one_that_hears_of_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("id,title\n1,Größe\n".encode("cp1252"))
    with pytest.raises(BadInput, match="is not UTF-8") as caught:
        csv_of(tmp_path / "rows.csv")
    assert "iconv -f WINDOWS-1252" in caught.value.hint


def test_a_folder_says_what_its_files_are(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "notes" / "b.txt").write_bytes(TABLE.encode("utf-16"))
    (tmp_path / "notes" / "c.txt").write_text("fine\r\n")
    noted = []
    source = Source(kind="folder", path="notes", key=Prompt("{{ path }}", "key"))
    found = list(rows(source, tmp_path, noted.append))
    assert [one.row["text"] for one in found] == ["fine\n"]
    assert "a PDF" in noted[0].message
    assert "UTF-16" in noted[1].message
    assert all("glob" in one.hint for one in noted)
