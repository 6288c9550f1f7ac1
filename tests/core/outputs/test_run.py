"""Outputs of a job: they can run again after any end, overwrite no other file, and keep keys and columns."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.outputs.kinds import check, failed_path, run
from batchtui.core.outputs.target import TargetExists

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KINDS = ["jsonl", "csv", "parquet", "files"]


def spec(out: Path, kind: str, **options: Any) -> Output:
    return Output(kind, str(out / ("{{ key }}.md" if kind == "files" else f"a.{kind}")), options)


def keyed(make: Any, text: str = "x") -> Any:
    keys = make.keys(("k1", "one", {"id": 1, "=evil": "=1"}), ("k2", "two", {"id": 2}))
    return make(make.answer("k1", text), make.other("k2", "expired"), keys=keys)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_finds_its_own_work_and_is_content(make: Any, out: Path, kind: str) -> None:
    one = spec(out, kind)
    check(one)
    done = run(one, keyed(make), batch_id="b", now=NOW)
    before = {path: path.read_bytes() for path in out.iterdir()}
    assert run(one, keyed(make), batch_id="b", now=NOW) == done
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    failed = failed_path(one)
    assert failed
    assert failed.exists()
    assert len(before) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_somebody_else_put_there_is_refused_unless_the_job_says_overwrite(make: Any, out: Path, kind: str) -> None:
    out.mkdir()
    target = out / ("one.md" if kind == "files" else f"a.{kind}")
    target.write_text("mine")
    with pytest.raises(TargetExists) as caught:
        run(spec(out, kind), keyed(make), batch_id="b", now=NOW)
    assert "overwrite = true" in caught.value.hint
    assert target.read_text() == "mine"
    assert list(out.iterdir()) == [target]
    run(spec(out, kind, overwrite=True), keyed(make), batch_id="b", now=NOW)
    assert target.read_bytes() != b"mine"


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_that_has_run_is_written_anew_on_request(make: Any, out: Path, kind: str) -> None:
    done = run(spec(out, kind), keyed(make, "old"), batch_id="b", now=NOW)
    before = {path: path.read_bytes() for path in out.iterdir()}
    run(done, keyed(make, "new"), batch_id="b", now=NOW)
    assert {path: path.read_bytes() for path in out.iterdir()} != before


def test_jsonl_keeps_the_line_and_puts_key_and_row_before_it(make: Any, out: Path) -> None:
    run(spec(out, "jsonl"), keyed(make, "half \ud800"), batch_id="b", now=NOW)
    first = (out / "a.jsonl").read_bytes().splitlines()[0]
    assert first.endswith(make.answer("k1", "half \ud800")[1:])
    said = json.loads(first)
    assert (said["custom_id"], said["key"], said["row"]) == ("k1", "one", {"id": 1, "=evil": "=1"})


def test_csv_has_the_key_and_the_sources_columns_and_none_that_a_spreadsheet_runs(make: Any, out: Path) -> None:
    run(spec(out, "csv"), keyed(make, "=1+1"), batch_id="b", now=NOW)
    with (out / "a.csv").open(encoding="utf-8", newline="") as file:
        header, first, second = csv.reader(file)
    assert header[:4] == ["custom_id", "key", "type", "text"]
    assert header[-2:] == ["id", "'=evil"]
    assert first[:4] == ["k1", "one", "succeeded", "'=1+1"]
    assert first[-2:] == ["1", "'=1"]
    assert second[-2:] == ["2", ""]


def test_csv_of_asked_columns_has_what_fits_and_lists_the_rest(make: Any, out: Path) -> None:
    answers = make(make.answer("a", '{"s": -1.5, "t": "-x"}'), make.answer("b", "no"), make.other("c", "expired"))
    one = spec(out, "csv", columns={"who": "key", "score": "json.s", "said": "json.t"})
    assert run(one, answers, batch_id="b", now=NOW).rows == 1
    assert (out / "a.csv").read_bytes() == b"who,score,said\r\na,-1.5,'-x\r\n"
    failed = [json.loads(said) for said in (out / "a.csv.failed.jsonl").read_bytes().splitlines()]
    assert [(said["custom_id"], said["type"]) for said in failed] == [("b", "unfit"), ("c", "expired")]


def test_a_failed_request_is_listed_with_the_row_that_it_was_made_of(make: Any, out: Path) -> None:
    run(spec(out, "csv"), keyed(make), batch_id="b", now=NOW)
    (failed,) = map(json.loads, (out / "a.csv.failed.jsonl").read_bytes().splitlines())
    assert (failed["key"], failed["row"], failed["type"]) == ("two", {"id": 2}, "expired")


def test_files_can_hold_any_value_and_be_named_by_a_column(make: Any, out: Path) -> None:
    keys = make.keys(("k1", "one", {"id": 7}))
    one = Output("files", str(out / "n{{ row.id }}_{{ key }}.md"), {"content": "json.notes"})
    check(one)
    run(one, make(make.answer("k1", '{"notes": "hi"}'), keys=keys), batch_id="b", now=NOW)
    assert (out / "n7_one.md").read_text() == "hi"


@pytest.mark.parametrize(
    ("kind", "path", "options", "reason"),
    [
        ("xlsx", "a", {}, "no output kind"),
        ("csv", "", {}, "not a path"),
        ("csv", "a\0", {}, "not a path"),
        ("csv", "a.csv", {"colums": {}}, "colums"),
        ("csv", "a.csv", {"columns": {"a": "jsn"}}, "is not a path"),
        ("csv", "a.csv", {"columns": {"a": 5}}, "columns"),
        ("csv", "a.csv", {"columns": ["key", "KEY"]}, "empty or not unique"),
        ("parquet", "a.parquet", {"columns": {"": "key"}}, "empty or not unique"),
        ("jsonl", "a.jsonl", {"overwrite": "yes"}, "overwrite"),
        ("files", "notes/a.md", {}, "no place"),
        ("files", "{{ key }}/a.md", {}, "folder"),
        ("files", "{{ text }}.md", {}, "cannot be in a file name"),
        ("files", "{{ key }}.md", {"content": "body"}, "is not a path"),
    ],
)
def test_a_mistake_in_the_job_is_found_before_anything_is_sent(
    kind: str, path: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        check(Output(kind, path, options))


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "sqlite", "files", "command"])
def test_no_output_goes_where_the_verified_results_are(make: Any, kind: str) -> None:
    answers = make(make.answer("a", "x"))
    before = sorted(make.folder.iterdir())
    options = {"command": ["true"]} if kind == "command" else {}
    with pytest.raises(BadInput, match="verified results"):
        run(Output(kind, str(make.folder / "msgbatch_{{ key }}.jsonl"), options), answers, batch_id="b", now=NOW)
    assert sorted(make.folder.iterdir()) == before


@pytest.mark.parametrize(("kind", "name"), [("csv", "a.csv"), ("files", "{key}.md"), ("sqlite", "a.db")])
def test_a_place_under_a_file_is_found_before_anything_is_sent(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file is not a folder"):
        check(Output(kind, str(tmp_path / "file" / "more" / name)))
    check(Output(kind, str(tmp_path / "folder" / "more" / name)))
