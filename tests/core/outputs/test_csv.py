"""The table: every reader of RFC 4180 gets the same values back, and nothing in it is run by a spreadsheet."""

import csv
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Output
from batchtui.core.errors import UsageError
from batchtui.core.outputs.kinds import export, run


def test_a_record_for_each_result_of_whatever_type(make: Any, out: Path) -> None:
    lines = [
        make.answer("a", 'say "hi",\nthen go\r\n', cache_read_input_tokens=90, cache_creation_input_tokens=7),
        make.error("b", "invalid_request_error", "max_tokens: too, large"),
        make.other("c", "expired"),
        b"torn",
    ]
    export(make(*lines), str(out / "a.csv"))
    data = (out / "a.csv").read_bytes()
    assert data.startswith(b"custom_id,type,text,stop_reason,error_type,error_message,model,input_tokens,")
    assert data.count(b"\r\n") == 6, "five records, and the line break in the answer"
    with (out / "a.csv").open(encoding="utf-8", newline="") as file:
        header, *records = csv.reader(file, strict=True)
    assert header[7:] == ["input_tokens", "output_tokens", "outcome", "request_id"]
    model = "claude-haiku-5-5"
    assert records[:3] == [
        ["a", "succeeded", 'say "hi",\nthen go\r\n', "end_turn", "", "", model, "100", "4", "answered", ""],
        ["b", "errored", "", "", "invalid_request_error", "max_tokens: too, large", "", "", "", "errored", ""],
        ["c", "expired", "", "", "", "", "", "", "", "expired", ""],
    ]
    assert records[3][:3] == ["", "unreadable", ""]
    assert records[3][5]


def test_control_characters_and_half_characters_are_shown_not_written(make: Any, out: Path) -> None:
    export(make(make.answer("a", "x\0y\x1b[2Jz\x9b\ud800w\ttab")), str(out / "a.csv"))
    text = (out / "a.csv").read_bytes().decode()
    assert "x\ufffdy\ufffd[2Jz\ufffd\ufffdw\ttab" in text


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_hostile_ids_and_errors_are_made_safe_too(make: Any, out: Path) -> None:
    export(make(make.other("=cmd()", "expired"), make.error("-x", "=t", "@m")), str(out / "a.csv"))
    first, second = read(out / "a.csv")
    assert first["custom_id"] == "'=cmd()"
    assert (second["custom_id"], second["error_type"], second["error_message"]) == ("-x", "'=t", "'@m")


def test_ids_keys_and_numbers_are_never_changed_so_that_joins_find_them(make: Any, out: Path) -> None:
    row = {"id": "-7a", "sku": "-sku", "parentId": "@p", "note": "-note", "score": -1.5, "said": "-1e-3", "+col": ""}
    answers = make(make.answer("-abc_1", "-text"), keys=make.keys(("-abc_1", "-sku", row)))
    output = export(answers, str(out / "a.csv"))
    (found,) = read(out / "a.csv")
    assert (found["custom_id"], found["key"]) == ("-abc_1", "-sku")
    kept = {name: found[name] for name in ("id", "sku", "parentId", "score", "said")}
    assert kept == {"id": "-7a", "sku": "-sku", "parentId": "@p", "score": "-1.5", "said": "-1e-3"}
    assert (found["text"], found["note"], "'+col" in found) == ("'-text", "'-note", True)
    assert output.guarded == 3


def test_a_column_is_an_id_by_what_it_is_made_of_not_by_what_a_model_wrote(make: Any, out: Path) -> None:
    answers = make(make.answer("-c", '{"id": "-m"}'), keys=make.keys(("-c", "-k", {"owner": "-o", "n": "-n"})))
    columns = {"mine": "custom_id", "k": "key", "owner_id": "row.owner", "n": "row.n", "id": "json.id"}
    spec = Output(kind="csv", path=str(out / "a.csv"), options={"columns": columns})
    done = run(spec, answers, batch_id="s1", now=datetime.now(UTC))
    assert read(out / "a.csv") == [{"mine": "-c", "k": "-k", "owner_id": "-o", "n": "'-n", "id": "'-m"}]
    assert done.guarded == 2


def test_a_csv_as_it_is_has_every_character_of_it(make: Any, out: Path) -> None:
    text = "=1+1;=2\n=3\t@x \x07"
    answers = make(make.answer("a", text), keys=make.keys(("a", "k", {"=col": "@m"})))
    output = export(answers, str(out / "a.csv"), safe=False)
    (found,) = read(out / "a.csv")
    assert (found["text"], found["=col"], output.guarded) == (text, "@m", 0)
    spec = Output(kind="csv", path=str(out / "b.csv"), options={"safe": False})
    run(spec, answers, batch_id="s1", now=datetime.now(UTC))
    assert (out / "b.csv").read_bytes() == (out / "a.csv").read_bytes()


@pytest.mark.parametrize("target", ["a.jsonl", "a.parquet", "a.db", "{custom_id}.csv"])
def test_only_a_csv_has_a_guard_to_leave_out(make: Any, out: Path, target: str) -> None:
    with pytest.raises(UsageError, match="Only CSV has a guard"):
        export(make(make.answer("a", "x")), str(out / target), safe=False)
    assert not out.exists()


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_NONE])
def test_no_cell_runs_in_a_program_that_splits_the_file_in_its_own_way(
    make: Any, out: Path, delimiter: str, quoting: Any
) -> None:
    texts = [
        "a;=1+1;b",
        "a;  +cmd|' /C calc'!A0",
        'a;"=1"',
        "x\n=1",
        "x\r\n@SUM(1)",
        "x\t\u200b-1+1",
        "a;\uff1dA1",
        ";;=1",
    ]
    export(make(*(make.answer(f"r{at}", text) for at, text in enumerate(texts))), str(out / "a.csv"))
    with (out / "a.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file, delimiter=delimiter, quoting=quoting) for cell in row]
    seen = [unicodedata.normalize("NFKC", cell).strip(' "\u200b') for cell in cells]
    assert len(cells) > len(texts)
    assert [cell for cell in seen if cell[:1] in set("=+-@")] == []
