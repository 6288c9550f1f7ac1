"""A line that holds several faults of a host at once is read as one that holds each of them alone."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import product

import pytest

from batchtui.core.api import result_line

TEXTS = {"whole": "hi", "half": "hi \\ud800", "half, escaped": "\\\\ud83d \\udfff"}
COUNTS = ("1", "null", str(2**53 + 1), str(2**63), "9" * 500, "9" * 5000, "1e999", "-1", "1.5", '"x"', "[]")
NUMBERS = {"small": "0", "huge": "9" * 5000}
LONG = {"short": "", "long": "x" * 1_100_000}


def message(text: str, count: str, number: str, long: str, *, usage_first: bool) -> str:
    usage = f'"usage":{{"input_tokens":{count},"output_tokens":1}}'
    content = f'"content":[{{"type":"text","text":"{text}{long}","n":{number}}}]'
    members = [usage, content] if usage_first else [content, usage]
    return f'{{"type":"message","model":"m","stop_reason":"end_turn",{",".join(members)}}}'


@pytest.mark.parametrize("usage_first", [True, False])
@pytest.mark.parametrize("long", LONG)
@pytest.mark.parametrize("text", TEXTS)
def test_every_combination_of_faults_that_are_no_fault_of_the_answer_is_read(
    text: str, long: str, *, usage_first: bool
) -> None:
    said = json.loads(f'"{TEXTS[text]}{LONG[long]}"').replace("\ud800", "\ufffd").replace("\udfff", "\ufffd")
    for count, number in product(COUNTS, NUMBERS.values()):
        whole = message(TEXTS[text], count, number, LONG[long], usage_first=usage_first).encode()
        raw = b'{"custom_id":"a","result":{"type":"succeeded","message":%b}}' % whole
        readable = count in ("1", "null")
        for line in (result_line.decode(raw), result_line.decode_full(raw)):
            assert isinstance(line.result, result_line.Succeeded | result_line.Answered)
            usage = line.result.message.usage
            assert usage and usage.readable is readable, (count, number)
        full = result_line.decode_full(raw).result
        assert isinstance(full, result_line.Answered)
        assert full.message.content and full.message.content[0].text == said
        alone = result_line.decode_message(whole).usage
        assert alone and alone.readable is readable
        assert result_line.decode_id(raw) == "a"


@pytest.mark.parametrize("usage", ["5", "[]", '"\\ud800"', '{"iterations":[{"input_tokens":-1}]}'])
def test_a_usage_that_is_none_hides_no_answer(usage: str) -> None:
    raw = b'{"custom_id":"a","result":{"type":"succeeded","message":{"usage":%b}}}' % usage.encode()
    full = result_line.decode_full(raw).result
    assert isinstance(full, result_line.Answered)
    assert full.message.usage and not full.message.usage.readable


def test_what_is_no_json_stays_none_beside_a_count_that_cannot_be() -> None:
    for odd in ("NaN", "Infinity", '"\x01"', '"\\ud800', "01"):
        raw = b'{"custom_id":"a","result":{"type":"succeeded","message":{"usage":{"input_tokens":%d},"n":%b}}}'
        with pytest.raises(ValueError, match=r"malformed|truncated"):
            result_line.decode_full(raw % (2**63, odd.encode()))


@pytest.mark.parametrize(
    "second",
    ['"result":{"type":"expired"}', '"result":{"type":"succeeded","message":[]}', '"result":7', '"result":null'],
)
def test_a_line_with_two_results_of_which_one_has_an_impossible_usage_is_a_bad_line(second: str) -> None:
    usage = '{"input_tokens":9223372036854775808,"output_tokens":1}'
    first = f'"result":{{"type":"succeeded","message":{{"id":"m","model":"m","content":[],"usage":{usage}}}}}'
    for members in (f"{first},{second}", f"{second},{first}"):
        raw = f'{{"custom_id":"a",{members}}}'.encode()
        for read in (result_line.decode, result_line.decode_full):
            with suppress(ValueError):
                read(raw)
