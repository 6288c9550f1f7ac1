"""Checking an input: good rows pass unchanged, bad ones are reported with their place, and nothing is missed."""

import hashlib
import io
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest

from batchtui.core.batches.limits import body_chunks, body_size
from batchtui.core.errors import StateError
from batchtui.core.requests import check as checking
from batchtui.core.requests import input_rows
from batchtui.core.requests.check import Checked, check
from batchtui.core.requests.problems import Problem
from batchtui.core.state.archive import archived_ids, digest

PARAMS = {"model": "claude-haiku-5-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


def row(custom_id: Any = "a", **params: Any) -> bytes:
    return json.dumps({"custom_id": custom_id, "params": {**PARAMS, **params}}).encode()


def without(name: str) -> bytes:
    return json.dumps({"custom_id": "a", "params": {k: v for k, v in PARAMS.items() if k != name}}).encode()


@pytest.fixture
def checked(tmp_path: Path) -> Any:
    """Checks bytes as a file; returns the outcome and what was archived."""

    def run(data: bytes) -> tuple[Checked, bytes]:
        path, sink = tmp_path / "input.jsonl", io.BytesIO()
        path.write_bytes(data)
        return check(path, sink), sink.getvalue()

    return run


def only(outcome: Checked) -> Problem:
    assert outcome.problem_count == len(outcome.problems) == 1, outcome.problems
    assert not outcome.ok
    return outcome.problems[0]


def test_a_good_file_is_archived_byte_for_byte(checked: Any) -> None:
    content = b'"\\u00e9 \\ud83d\\ude00 \\/ \xe2\x80\xa8 12345678901234567890"'
    first = (
        b'{"custom_id":"a", "params":{"model":"m","max_tokens":1,"system":"","diagnostics":{ },'
        b'"messages":[{"role":"user","content":%s}]}}'
    )
    second = (
        b'{"params":{"messages":[{"content":[{"type":"text","text":"x"}],"role":"user"}],"max_tokens":2,"model":"b"},'
        b'"custom_id":"b"}'
    )
    data = first % content + b"\n" + second + b"\n"
    outcome, archived = checked(data)
    assert outcome.ok
    assert archived == data
    assert (outcome.requests, outcome.models) == (2, ("b", "m"))
    assert outcome.sha256 == hashlib.sha256(data).hexdigest()
    assert outcome.digest == digest(["b", "a"]) == hashlib.sha256(b"a\nb").hexdigest()


def test_bom_crlf_blank_lines_and_a_missing_last_line_feed_are_no_problem(checked: Any) -> None:
    outcome, archived = checked(b"\xef\xbb\xbf" + row("a") + b"\r\n\r\n  \n" + row("b") + b"\r\n\n" + row("c"))
    assert outcome.ok
    assert archived == b"\n".join([row("a"), row("b"), row("c"), b""])


@pytest.mark.parametrize("opening", [b"", b'{"requests":', b' {\n "requests" : '])
def test_an_array_and_an_object_of_requests_are_taken_and_numbers_and_escapes_survive(
    checked: Any, opening: bytes
) -> None:
    pretty = (
        b'{\n  "custom_id": "b",\n  "params": {"model": "m", "max_tokens": 1,\n'
        b'  "tools": [{"name": "t", "input_schema": {"type": "object", "x": 1.00}}],\n'
        b'  "messages": [{"role": "user",\n "content": "\\u00e9\\n"}]}}'
    )
    outcome, archived = checked(opening + b"[" + row("a") + b",\n" + pretty + b"]" + (b"}" if opening else b""))
    assert outcome.ok
    first, second, end = archived.split(b"\n")
    assert (first, end) == (row("a"), b"")
    assert b"1.00" in second
    assert b"\\u00e9\\n" in second
    assert json.loads(second) == json.loads(pretty)
    assert outcome.bytes == body_size(len(archived))


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_the_body_is_the_create_body_and_its_end_comes_alone_and_last(checked: Any, chunk: int) -> None:
    outcome, archived = checked(b"\n".join(row(f"r{i}", system="a, b") for i in range(5)))
    chunks = list(body_chunks(io.BytesIO(archived), chunk))
    assert chunks[-1] == b"]}"
    assert all(chunks), "an empty chunk would end a chunked upload"
    assert [request["custom_id"] for request in json.loads(b"".join(chunks))["requests"]] == [f"r{i}" for i in range(5)]
    assert len(b"".join(chunks)) == outcome.bytes
    with pytest.raises(ValueError, match="truncated"):
        msgspec.json.decode(b"".join(chunks[:-1]))


BAD = [
    (b'{"custom_id": "a", "params": {]}', "not_json", "", "column 31"),
    (b'{"custom_id": "a", ', "not_json", "", "on its own line"),
    (b"{", "not_json", "", "on its own line"),
    (b"hello", "not_json", "", "column 1"),
    (row() + row("b"), "not_json", "", "Extra data"),
    (row(x=float("nan")), "not_json", "", "NaN"),
    (b'"a string"', "not_object", "", "a string"),
    (b"null", "not_object", "", "null"),
    (json.dumps({"params": PARAMS}).encode(), "missing_field", "custom_id", "missing"),
    (b'{"custom_id": "a"}', "missing_field", "params", "missing"),
    (row(7), "custom_id", "custom_id", "a number"),
    (row(None), "custom_id", "custom_id", "null"),
    (row(""), "custom_id", "custom_id", "empty"),
    (row("x" * 65), "custom_id", "custom_id", "65 characters"),
    (row("a b"), "custom_id", "custom_id", "a b"),
    (row("abc\n"), "custom_id", "custom_id", "U+000A"),
    (row("é"), "custom_id", "custom_id", "é"),
    (row("../x"), "custom_id", "custom_id", "."),
    (b'{"custom_id": "a", "params": []}', "wrong_type", "params", "an array"),
    (without("model"), "missing_field", "params.model", "claude-"),
    (without("max_tokens"), "missing_field", "params.max_tokens", "whole number"),
    (without("messages"), "missing_field", "params.messages", "role"),
    (row(model=3), "wrong_type", "params.model", "a number"),
    (row(model=""), "model", "params.model", "model id"),
    (row(max_tokens="9"), "wrong_type", "params.max_tokens", "a string"),
    (row(max_tokens=True), "wrong_type", "params.max_tokens", "true"),
    (row(max_tokens=1.5), "wrong_type", "params.max_tokens", "a number"),
    (row(max_tokens=0), "max_tokens", "params.max_tokens", "is 0"),
    (row(messages="hi"), "wrong_type", "params.messages", "a string"),
    (row(messages=[]), "messages", "params.messages", "empty"),
    (row(messages=[PARAMS["messages"][0], "hi"]), "wrong_type", "params.messages[1]", "role"),  # type: ignore[index]
    (row(messages=[{"role": "user"}]), "missing_field", "params.messages[0].content", "Add it"),
    (row(stream=True), "stream", "params.stream", "Remove"),
    (row(temperature=1.0), "unsupported", "params.temperature", "2026-10-21"),
    (row(top_p=None), "unsupported", "params.top_p", "2026-10-21"),
    (row(top_k=5), "unsupported", "params.top_k", "2026-10-21"),
    (row(betas=["x"]), "unsupported", "params.betas", "header"),
    (row().replace(b"hi", b"h\0i"), "nul", "", "NUL"),
    (row().replace(b"hi", b"h\xe9i"), "not_utf8", "", "0xe9 at byte"),
    (row().replace(b"hi", b"h\\ud800i"), "surrogate", "", "half a character"),
    (row().replace(b"hi", b"h\\udc00i"), "surrogate", "", "half a character"),
    (row().replace(b'"hi"', b"[" * 100_000 + b"]" * 100_000), "too_deep", "", "deeply"),
    (b'{"custom_id":"a","method":"POST","url":"/v1/x","body":{}}', "openai", "", "OpenAI"),
]


@pytest.mark.parametrize(("bad", "kind", "field", "words"), BAD, ids=[f"{b[1]}-{n}" for n, b in enumerate(BAD)])
def test_every_mistake_is_said_with_its_line_its_field_and_what_to_do(
    checked: Any, bad: bytes, kind: str, field: str, words: str
) -> None:
    outcome, _ = checked(row("before") + b"\n" + bad + b"\n" + row("after") + b"\n")
    problem = only(outcome)
    assert (problem.line, problem.where, problem.kind, problem.field) == (2, "line 2", kind, field)
    assert problem.hint
    assert words in f"{problem.message} {problem.hint}"
    assert outcome.kinds == {kind: 1}
    assert outcome.requests == 3


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("id", "custom_id"),
        ("customId", "custom_id"),
        ("custom_ID", "custom_id"),
        ("body", "params"),
        ("request", "params"),
        ("parms", "params"),
        ("model", "inside"),
    ],
)
def test_an_unknown_field_is_told_what_it_was_meant_to_be(checked: Any, name: str, meant: str) -> None:
    outcome, _ = checked(json.dumps({"custom_id": "a", "params": PARAMS, name: 1}).encode())
    problem = only(outcome)
    assert problem.kind == "unknown_field"
    assert meant in problem.hint


def test_one_row_can_have_several_problems(checked: Any) -> None:
    outcome, _ = checked(b'{"id": 1, "custom_id": "a b", "params": {"stream": true}}')
    assert outcome.kinds == {"unknown_field": 1, "custom_id": 1, "missing_field": 3, "stream": 1}


def test_a_doubled_id_names_the_first_line_even_of_a_row_that_is_wrong_otherwise(checked: Any) -> None:
    outcome, _ = checked(b"\n".join([row("a", stream=True), row("b"), row("a")]))
    assert outcome.kinds == {"stream": 1, "doubled": 1}
    doubled = outcome.problems[1]
    assert (doubled.line, doubled.field) == (3, "custom_id")
    assert "line 1" in doubled.message


def test_twenty_problems_are_shown_and_all_are_counted(checked: Any) -> None:
    outcome, _ = checked(b"no\n" * 1000)
    assert (len(outcome.problems), outcome.problem_count, outcome.kinds) == (20, 1000, {"not_json": 1000})


def test_no_message_carries_a_control_character_or_more_than_a_line(checked: Any) -> None:
    evil = "\x1b]52;c;x\x07\u202e[bold]\n" * 50
    lines = [row(evil), row(model=["\x1b"]), json.dumps({evil: 1, "custom_id": "c", "params": PARAMS}).encode()]
    lines += [json.dumps({"custom_id": "b", "params": {**PARAMS, "model": evil}}).encode(), b"\x1b[2J"]
    outcome, _ = checked(b"\n".join(lines))
    said = "".join(problem.message + problem.hint + problem.field for problem in outcome.problems)
    assert outcome.problem_count == 5
    assert not any(character in said for character in "\x1b\x07\u202e\n")
    assert all(len(problem.message) < 400 for problem in outcome.problems)


def test_what_is_wrong_with_the_file_itself_is_a_problem_without_a_line(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\n \n")
    (tmp_path / "utf16").write_bytes(row().decode().encode("utf-16"))
    (tmp_path / "gz").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "none").write_bytes(b"[]")
    os.mkfifo(tmp_path / "fifo")
    names = ("absent", ".", "empty", "utf16", "gz", "none", "fifo", "x\0y", "empty/below")
    kinds = {}
    for name in names:
        problem = only(check(tmp_path / name))
        assert problem.line is None
        assert problem.hint
        kinds[name] = problem.kind
    assert kinds == {
        "absent": "not_there",
        ".": "folder",
        "empty": "empty",
        "utf16": "not_text",
        "gz": "not_text",
        "none": "empty",
        "fifo": "not_a_file",
        "x\0y": "not_there",
        "empty/below": "not_there",
    }


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.jsonl"
    path.write_bytes(row())

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    problem = only(check(path))
    assert problem.kind == "not_readable"
    assert "Permission denied" in problem.message


def test_a_broken_array_names_line_and_column_and_a_bad_request_its_number(checked: Any) -> None:
    outcome, _ = checked(b"[\n" + row("a") + b",\n  oops]")
    problem = only(outcome)
    assert (problem.line, problem.kind) == (3, "not_json")
    assert "column 3" in problem.message
    outcome, _ = checked(b"[" + row("a") + b"," + row("b c") + b"]")
    assert only(outcome).where == "request 2"
    outcome, _ = checked(b"[" + row("a") + b",")
    assert "ends too early" in only(outcome).message
    outcome, _ = checked(b'{"requests": [], "model": "m"}')
    assert "model" in only(outcome).message


def test_more_than_100000_requests_are_counted_and_refused_once(checked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MAX_REQUESTS", 3)
    assert checked(b"\n".join(row(f"r{i}") for i in range(3)))[0].ok
    outcome, _ = checked(b"\n".join(row(f"r{i}") for i in range(5)))
    problem = only(outcome)
    assert (problem.kind, problem.line, outcome.requests) == ("too_many", None, 5)


def test_a_body_over_the_limit_is_refused_by_the_byte(checked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"\n".join(row(f"r{i}") for i in range(5))
    bytes_ = checked(data)[0].bytes
    monkeypatch.setattr(checking, "MAX_BYTES", bytes_)
    assert checked(data)[0].ok
    monkeypatch.setattr(checking, "MAX_BYTES", bytes_ - 1)
    assert only(checked(data)[0]).kind == "too_large"


def test_what_is_only_too_long_for_one_batch_says_how_many_it_takes(
    checked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MAX_REQUESTS", 3)
    assert checked(b"\n".join(row(f"r{i}") for i in range(3)))[0].batches == 1
    outcome, _ = checked(b"\n".join(row(f"r{i}") for i in range(7)))
    assert (outcome.only_too_long, outcome.batches) == (True, 3)
    outcome, _ = checked(b"\n".join(row(f"r{i}", stream=i == 1) for i in range(7)))
    assert not outcome.only_too_long
    assert not checked(b"")[0].only_too_long
    monkeypatch.setattr(checking, "MAX_BYTES", checked(row())[0].bytes)
    outcome, _ = checked(b"\n".join(row(f"r{i}") for i in range(2)))
    assert (outcome.only_too_long, outcome.batches) == (True, 2)


def test_one_row_over_the_limit_is_named_and_the_rest_is_still_checked(
    checked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "_MAX_ROW", 1000)
    outcome, _ = checked(b"\n".join([row("a"), row("b", system="x" * 5000), row("c", stream=True)]))
    assert [(problem.line, problem.kind) for problem in outcome.problems] == [(2, "too_large"), (3, "stream")]
    assert outcome.requests == 3


def test_an_array_too_large_for_memory_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_rows, "MOST_IN_MEMORY", 10)
    (tmp_path / "a.json").write_bytes(b"[" + row() + b"]")
    assert only(check(tmp_path / "a.json")).kind == "too_large"


def test_progress_reaches_the_size_of_the_file_and_may_stop_the_check(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    path.write_bytes(b"\n".join(row(f"r{i}", system="x" * 1000) for i in range(4000)))
    seen: list[tuple[int, int]] = []
    check(path, None, lambda done, total: seen.append((done, total)))
    assert len(seen) >= 4
    assert seen == sorted(seen)
    assert seen[-1] == (path.stat().st_size,) * 2

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        check(path, None, stop)


def test_a_sink_that_fails_is_no_problem_of_the_input(tmp_path: Path) -> None:
    (tmp_path / "input.jsonl").write_bytes(row())
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space"):
        check(tmp_path / "input.jsonl", full)


def test_memory_does_not_grow_with_the_size_of_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    with path.open("wb") as file:
        file.writelines(row(f"r{i}", system="x" * 100_000) + b"\n" for i in range(300))
    tracemalloc.start()
    try:
        assert check(path).ok
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000 < path.stat().st_size


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_a_file_of_many_blocks_is_read_like_a_short_one(checked: Any, end: bytes) -> None:
    rows = [row(f"r{number}", system="x" * (number * 7919 % 4000)) for number in range(500)]
    rows[200] = row("r200", system="é" * 1_000_000)
    outcome, archived = checked(end.join(rows))
    assert outcome.ok
    assert archived == b"\n".join(rows) + b"\n"
    assert outcome.sha256 == hashlib.sha256(archived).hexdigest()
    assert (outcome.requests, outcome.bytes) == (500, body_size(len(archived)))


@pytest.mark.parametrize(
    "wrong",
    [
        row("r3"),
        row("late", stream=True),
        row("late", system=[{"type": "text", "text": "hi", "citations": [{}]}]),
        row("late").replace(b'"late"', b'"l\xff"'),
        row("late").replace(b"}", b"", 1),
        row("late") + row("later"),
    ],
    ids=["doubled", "streams", "cited", "not utf-8", "torn", "two on one line"],
)
def test_what_is_wrong_far_down_a_long_file_is_said_with_its_line(checked: Any, wrong: bytes) -> None:
    rows = [row(f"r{number}", system="x" * 2000) for number in range(500)]
    outcome, _ = checked(b"\n".join([*rows[:400], wrong, *rows[400:], row("r2")]))
    assert [problem.line for problem in outcome.problems] == [401, 502]
    assert outcome.requests == 502


def test_archived_ids_come_in_order_and_a_damaged_archive_is_said(tmp_path: Path) -> None:
    archive = tmp_path / "REF.jsonl"
    archive.write_bytes(row("b") + b"\n" + row("a") + b"\n")
    assert archived_ids(archive) == ["b", "a"]
    archive.write_bytes(row("b") + b"\n" + row("a")[:-9])
    with pytest.raises(StateError, match="cannot be read"):
        archived_ids(archive)
    with pytest.raises(StateError, match="cannot be read"):
        archived_ids(tmp_path / "absent")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("9223372036854775808", "params.max_tokens is 9223372036854775808."),
        ("1" + "0" * 300, "params.max_tokens is 1000"),
        ("9" * 5000, "It is not JSON: a number has 5,000 digits."),
        ("1e999", "It is not JSON: 1e999 is too large for a number."),
        ("[" * 3000 + "]" * 3000, "It is nested too deeply."),
    ],
)
def test_numbers_and_nesting_that_nothing_can_hold_are_said(checked: Any, value: str, said: str) -> None:
    bad = only(checked(row("a") + b"\n" + row("b").replace(b": 10", f": {value}".encode(), 1))[0])
    assert bad.where == "line 2"
    assert bad.message.startswith(said)
    assert bad.hint
