"""Results on disk: any row can be read without the rest, in any order, and none is ever missing."""

import json
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.outcomes import Outcome, Outcomes
from batchtui.core.batches.price import Tokens
from batchtui.core.batches.remote import Counts
from batchtui.core.errors import StateError
from batchtui.core.results.result_file import Head, Results, Row, ToolCall
from batchtui.core.results.verify import Verifier


def line(custom_id: Any, result: Any) -> bytes:
    return json.dumps({"custom_id": custom_id, "result": result}).encode()


def answer(custom_id: str, *blocks: Any, stop_reason: str = "end_turn") -> bytes:
    usage = {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 5}
    message = {"model": "m", "content": blocks, "stop_reason": stop_reason, "usage": usage}
    return line(custom_id, {"type": "succeeded", "message": message})


def text(value: str) -> dict[str, str]:
    return {"type": "text", "text": value}


ERROR = {"type": "errored", "error": {"type": "error", "error": {"type": "api_error", "message": "later"}}}

LINES = [
    answer("b", {"type": "thinking", "thinking": "hm", "text": "hidden"}, text("  \nHello\nyou"), text(" two")),
    line("a", ERROR),
    b'{"custom_id": "torn", "result": {"ty',
    line("c", {"type": "canceled"}),
    answer("d", {"type": "tool_use", "input": {"custom_id": "e"}}, stop_reason="tool_use"),
    line("e", {"type": "expired"}),
]


@pytest.fixture
def results(tmp_path: Path) -> Any:
    def make(data: bytes) -> Results:
        path = tmp_path / "msgbatch_1.jsonl"
        path.write_bytes(data)
        return Results.open(path)

    return make


def test_every_row_is_read_by_its_index_with_what_belongs_to_its_type(results: Any) -> None:
    with results(b"\n".join(LINES) + b"\n") as opened:
        rows = [opened.row(index) for index in range(len(opened))]
    assert rows[0] == Row(
        custom_id="b",
        type="succeeded",
        outcome=Outcome.ANSWERED,
        text="  \nHello\nyou two",
        stop_reason="end_turn",
        model="m",
        tokens=Tokens(input=3, output=4, cache_read=5),
    )
    assert rows[1] == Row(
        custom_id="a", type="errored", outcome=Outcome.ERRORED, error_type="api_error", error_message="later"
    )
    assert [row.type for row in rows] == ["succeeded", "errored", "unreadable", "canceled", "succeeded", "expired"]
    assert rows[2].error_message


SEARCH = [
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
]
CALL = {"type": "tool_use", "id": "t", "name": "score", "input": {"points": 3}}


@pytest.mark.parametrize(
    ("stop_reason", "blocks", "outcome"),
    [
        ("end_turn", [text("x")], "answered"),
        ("end_turn", [], "answered"),
        ("stop_sequence", [text("x")], "answered"),
        ("tool_use", [CALL], "answered"),
        ("max_tokens", [text("x")], "cut"),
        ("model_context_window_exceeded", [text("x")], "cut"),
        ("refusal", [], "refused"),
        ("refusal", [text("I began")], "refused"),
        ("pause_turn", [*SEARCH], "paused"),
        ("compaction", [{"type": "compaction", "content": "x"}], "paused"),
        ("some_new_reason", [text("x")], "answered"),
        ("some_new_reason", [CALL], "answered"),
        ("some_new_reason", [text("")], "unfit"),
        ("some_new_reason", [{"type": "hologram", "text": "not text"}], "unfit"),
        (None, [text("x")], "answered"),
        (None, [], "unfit"),
        ("some_new_reason", [text("\ud800")], "answered"),
        ("max_tokens", [text("\ud800")], "cut"),
    ],
)
def test_what_a_message_is_worth_goes_by_its_stop_reason_or_by_what_is_in_it(
    results: Any, stop_reason: str, blocks: list[Any], outcome: str
) -> None:
    raw = answer("a", *blocks, stop_reason=stop_reason)
    assert results(raw).row(0).outcome == outcome
    verifier = Verifier(Counts(succeeded=1))
    verifier.feed(raw)
    assert verifier.finish().outcomes == Outcomes(**{outcome: 1})


def test_texts_on_both_sides_of_a_tool_are_paragraphs_and_those_split_by_citations_are_one(results: Any) -> None:
    raw = answer("a", text("I'll search."), *SEARCH, text("The grass is "), text("green"), text("."))
    assert results(raw).row(0).text == "I'll search.\n\nThe grass is green."


def test_calls_of_tools_come_with_their_input_and_those_of_the_servers_tools_do_not(results: Any) -> None:
    odd = {**CALL, "input": {"points": "\ud800", "text": ["\udfff"]}}
    row = results(answer("a", *SEARCH, CALL, odd, stop_reason="tool_use")).row(0)
    assert row.tools == (ToolCall("score", {"points": 3}), ToolCall("score", {"points": "\ufffd", "text": ["\ufffd"]}))


def test_heads_are_what_a_table_shows(results: Any) -> None:
    opened = results(b"\n".join(LINES))
    assert opened.head(0) == Head("b", "answered", "Hello") == ("b", "answered", "Hello")
    assert opened.head(1) == ("a", "errored", "api_error: later")
    assert opened.head(4) == ("d", "answered", "(calls a tool)")
    assert opened.head(5) == ("e", "expired", "")


@pytest.mark.parametrize(
    ("details", "refusal"),
    [
        ({"type": "refusal", "category": "cyber", "explanation": "no"}, "cyber: no"),
        ({"type": "refusal", "category": None, "explanation": None}, ""),
        ({"category": ["x"], "explanation": "no"}, "no"),
        ("odd", ""),
        (None, ""),
    ],
)
def test_a_refusal_comes_with_what_the_api_says_about_it(results: Any, details: Any, refusal: str) -> None:
    """https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback"""
    message = {"model": "m", "content": [], "stop_reason": "refusal", "stop_details": details}
    opened = results(line("a", {"type": "succeeded", "message": message}))
    assert opened.row(0).refusal == refusal
    assert opened.head(0) == ("a", "refused", f"(no text; refusal: {refusal})" if refusal else "(no text; refusal)")
    answered = line("a", {"type": "succeeded", "message": {**message, "stop_reason": "end_turn"}})
    assert results(answered).row(0).refusal == ""


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n \r\n"])
def test_raw_lines_come_back_as_the_api_sent_them_whatever_ends_them(results: Any, end: bytes) -> None:
    lines = [LINES[0].replace(b"Hello", "He\u2028l\x85lo \x1c".encode().replace(b"\x1c", b"\\u001c")), *LINES[1:]]
    for data in (end.join(lines), end.join(lines) + end):
        opened = results(data)
        assert [opened.raw(index) for index in range(len(opened))] == lines


def test_an_index_over_many_blocks_finds_every_line(results: Any) -> None:
    lines = [answer(f"r{i}", text("x" * (i * 977 % 40_000))) for i in range(300)]
    lines.insert(100, answer("long", text("y" * 5_000_000)))
    opened = results(b"\n".join(lines))
    assert [opened.raw(index) for index in range(len(opened))] == lines
    assert opened.ids()[100] == "long"
    assert len(opened.row(100).text) == 5_000_000


def test_a_line_has_its_own_id_only(results: Any) -> None:
    opened = results(b"\n".join(LINES))
    assert opened.ids() == ["b", "a", "", "c", "d", "e"], "not that of the tool input, and none if the line is torn"


@pytest.mark.parametrize("step", [1, -1, 7])
def test_rows_are_the_same_in_whatever_order_they_are_read(results: Any, step: int) -> None:
    lines = [answer(f"r{i}", text("x" * (i * 7919 % 150_000))) for i in range(101)]
    opened = results(b"\r\n".join(lines))
    order = [index * step % 101 for index in range(101)]
    assert [opened.raw(index) for index in order] == [lines[index] for index in order]


def test_half_a_character_and_a_huge_number_are_no_reason_to_lose_an_answer(results: Any) -> None:
    huge = answer("b", text("hi"), {"n": 0}).replace(b'"n": 0', b'"n": ' + b"9" * 6000)
    opened = results(answer("a", text("x \ud800 y")) + b"\n" + huge)
    assert [opened.row(index).text for index in (0, 1)] == ["x \ufffd y", "hi"]


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\r\n"])
def test_an_empty_file_has_no_rows(results: Any, data: bytes) -> None:
    assert len(results(data)) == 0


def test_absent_results_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        Results.open(tmp_path / "absent.jsonl")
    assert "Retrieve" in caught.value.hint


def test_several_threads_read_the_same_results(results: Any) -> None:
    opened = results(b"\n".join(answer(f"r{i}", text(str(i) * 500)) for i in range(500)))
    wrong: list[int] = []

    def read(step: int) -> None:
        wrong.extend(i for i in range(0, 500, step) if opened.row(i).text != str(i) * 500)

    threads = [threading.Thread(target=read, args=(step,)) for step in (1, 1, 3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_opening_and_reading_one_row_does_not_hold_the_file_in_memory(results: Any) -> None:
    data = b"\n".join(answer(f"r{i}", text("x" * 100_000)) for i in range(300))
    results(data)
    del data
    path = results(b"\n".join(answer(f"r{i}", text("x" * 100_000)) for i in range(300))).path
    tracemalloc.start()
    try:
        opened = Results.open(path)
        assert opened.row(299).custom_id == "r299"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000 < path.stat().st_size
