"""The table: every reader of RFC 4180 gets the same values back, and nothing in it is run by a spreadsheet."""

import csv
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.outputs.csv import safe
from batchtui.core.outputs.kinds import export


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
    assert header[7:] == ["input_tokens", "output_tokens"]
    model = "claude-haiku-5-5"
    assert records[:3] == [
        ["a", "succeeded", 'say "hi",\nthen go\r\n', "end_turn", "", "", model, "100", "4"],
        ["b", "errored", "", "", "invalid_request_error", "max_tokens: too, large", "", "", ""],
        ["c", "expired", "", "", "", "", "", "", ""],
    ]
    assert records[3][:3] == ["", "unreadable", ""]
    assert records[3][5]


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "=HYPERLINK(1)",
        "+1+1",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(1)",
        "\t=1",
        "\rx",
        "\tx",
        "  =1",
        "\n=1",
        "＝1+1",
        "＋1",
        "－1a",
        "＠x",
        "\ufeff=1",
        "\u200b=1",
        "\xa0=1",
        "\u2028=1",
        "-",
        "=",
        "+1 234",
        "-1-1",
        " " * 9000 + "=1",
        "1e5\n=x"[4:],
    ],
)
def test_what_looks_like_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert safe(cell) == "'" + cell


@pytest.mark.parametrize(
    "cell", ["", " ", "\n", "-5", "+3.25", "-1e-9", "-.5", "a=b", "'=1", "1-2", "naïve – 😀", "*x"]
)
def test_numbers_and_plain_text_stay_as_they_are(cell: str) -> None:
    assert safe(cell) == cell


def test_control_characters_and_half_characters_are_shown_not_written(make: Any, out: Path) -> None:
    export(make(make.answer("a", "x\0y\x1b[2Jz\x9b\ud800w\ttab")), str(out / "a.csv"))
    text = (out / "a.csv").read_bytes().decode()
    assert "x\ufffdy\ufffd[2Jz\ufffd\ufffdw\ttab" in text


def test_hostile_ids_and_errors_are_made_safe_too(make: Any, out: Path) -> None:
    export(make(make.other("=cmd()", "expired"), make.error("-x", "=t", "@m")), str(out / "a.csv"))
    with (out / "a.csv").open(encoding="utf-8", newline="") as file:
        _, first, second = csv.reader(file)
    assert first[0] == "'=cmd()"
    assert (second[0], second[4], second[5]) == ("'-x", "'=t", "'@m")
