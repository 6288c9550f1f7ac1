"""Answers: every request once, under its own key, in the order of the requests, whichever batch answered it."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.errors import StateError
from batchtui.core.results.answers import Answers, BatchFiles


def said(custom_id: str, text: str) -> bytes:
    message = {"model": "m", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
    return json.dumps({"custom_id": custom_id, "result": {"type": "succeeded", "message": message}}).encode()


def failed(custom_id: str, kind: str = "expired") -> bytes:
    return json.dumps({"custom_id": custom_id, "result": {"type": kind}}).encode()


class Shelves:
    """Makes batch files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def __call__(self, *lines: bytes, asked: str = "", keys: Any = None) -> BatchFiles:
        self._count += 1
        results, archive, named = (self._folder / f"{self._count}.{end}" for end in ("results", "archive", "keys"))
        results.write_bytes(b"".join(one + b"\n" for one in lines))
        archive.write_text("".join(f'{{"custom_id":"{one}","params":{{}}}}\n' for one in asked.split()))
        if keys is not None:
            named.write_text("".join(json.dumps(one) + "\n" for one in keys))
        return BatchFiles(results, archive if asked else None, named if keys is not None else None)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelves:
    return Shelves(tmp_path)


def texts(answers: Answers) -> list[tuple[str, str]]:
    return [(one.custom_id, one.result.text or one.result.type) for one in answers]


def test_parts_follow_each_other_and_each_is_in_the_order_of_its_requests(shelf: Shelves) -> None:
    first = shelf(said("b", "2"), said("a", "1"), said("stray", "x"), asked="a b")
    second = shelf(said("d", "4"), said("c", "3"), asked="c d")
    with Answers.open([first, second]) as answers:
        assert texts(answers) == [("a", "1"), ("b", "2"), ("stray", "x"), ("c", "3"), ("d", "4")]
        assert len(answers) == 5


def test_without_the_requests_the_order_is_that_of_the_file(shelf: Shelves) -> None:
    with Answers.open([shelf(said("b", "2"), said("a", "1"))]) as answers:
        assert texts(answers) == [("b", "2"), ("a", "1")]


def test_a_retried_request_is_given_once_where_it_was_first_asked_and_the_first_success_wins(shelf: Shelves) -> None:
    first = shelf(said("a", "1"), failed("b"), failed("c"), failed("d", "canceled"), asked="a b c d")
    second = shelf(said("b", "2"), failed("c", "canceled"), said("a", "again"), asked="b c a")
    third = shelf(said("c", "3"), said("b", "late"), asked="c b")
    with Answers.open([first, second, third]) as answers:
        assert texts(answers) == [("a", "1"), ("b", "2"), ("c", "3"), ("d", "canceled")]


def test_of_what_never_succeeded_the_latest_failure_is_given(shelf: Shelves) -> None:
    with Answers.open([shelf(failed("a")), shelf(failed("a", "canceled")), shelf(b'{"custom_id":"a"}')]) as answers:
        assert texts(answers) == [("a", "unreadable")]


def test_lines_that_cannot_be_read_or_come_twice_are_all_given(shelf: Shelves) -> None:
    lines = (b"torn", said("a", "1"), b"torn too", said("a", "2"))
    with Answers.open([shelf(*lines), shelf(b"torn in another")]) as answers:
        assert [one.raw for one in answers] == [*lines, b"torn in another"]


def test_each_answer_has_its_own_key_and_row_and_a_retry_has_those_of_the_first(shelf: Shelves) -> None:
    keys = [
        {"custom_id": "k1", "key": "one/1", "row": {"n": 1, "text": "é" * 3000}},
        {"custom_id": "k2", "key": "two 2", "row": {"n": 2, "more": [1]}},
    ]
    first = shelf(said("k2", "2"), failed("k1"), asked="k1 k2", keys=keys)
    second = shelf(said("k1", "1"), asked="k1")
    with Answers.open([first, second]) as answers:
        assert [(one.custom_id, one.key, one.row) for one in answers] == [
            (key["custom_id"], key["key"], key["row"]) for key in keys
        ]
        assert answers.columns == ("n", "text", "more")
        assert answers.keyed


def test_without_keys_the_key_is_the_custom_id(shelf: Shelves) -> None:
    with Answers.open([shelf(said("a", "1"))]) as answers:
        (only,) = answers
        assert (only.key, only.row, answers.keyed, answers.columns) == ("a", {}, False, ())


def test_an_answer_is_found_by_its_key(shelf: Shelves) -> None:
    keys = [{"custom_id": "k1", "key": "one", "row": {}}]
    with Answers.open([shelf(said("k1", "1"), said("plain", "2"), keys=keys)]) as answers:
        assert (found := answers.find("one"))
        assert found.result.text == "1"
        assert (found := answers.find("plain"))
        assert found.result.text == "2"
        assert answers.find("k1") is None


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_keys_that_cannot_be_read_are_an_error_and_never_ignored(shelf: Shelves, damage: str) -> None:
    one = shelf(said("k1", "1"), keys=[{"custom_id": "k1", "key": "one", "row": {}}])
    assert one.keys
    if damage == "gone":
        one.keys.unlink()
    else:
        one.keys.write_text('{"custom_id": "k1", "ke')
    with pytest.raises(StateError, match="keys"):
        Answers.open([one])


def test_memory_holds_ids_and_no_answers(shelf: Shelves) -> None:
    count = 2000
    keys = [{"custom_id": f"k{n}", "key": f"key {n}", "row": {"text": "x" * 5000}} for n in range(count)]
    one = shelf(*(said(f"k{n}", "y" * 5000) for n in range(count)), keys=keys)
    tracemalloc.start()
    with Answers.open([one]) as answers:
        assert sum(len(answer.result.text) + len(answer.row["text"]) for answer in answers) == count * 10_000
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000, "20 MB of answers and rows"
