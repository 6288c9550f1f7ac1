"""The path language: each path gives its value, with its type; a missing value is explained in words."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from batchtui.core.errors import BadInput
from batchtui.core.outputs.reading import Missing, Reading, words
from batchtui.core.outputs.value_paths import path, template
from batchtui.core.results.answers import KeyedResult
from batchtui.core.results.result_file import Row

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
JSON = '{"score": 0.75, "ok": true, "no": null, "items": [{"name": "a"}, {"name": "b"}], "a b": {"x.y": 5}, "big": 1e2}'


def reading(text: str = JSON, stop_reason: str = "end_turn", **row: Any) -> Reading:
    usage = {"input_tokens": 3, "output_tokens": 4, "cache_creation": {"ephemeral_5m_input_tokens": 9}}
    raw = json.dumps({"custom_id": "k1", "result": {"type": "succeeded", "message": {"usage": usage}}}).encode()
    result = Row(custom_id="k1", type="succeeded", text=text, stop_reason=stop_reason, model="m-1")
    return Reading(KeyedResult(custom_id="k1", key="TEG 10", row=row, result=result, raw=raw), NOW)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("text", JSON),
        ("json.score", 0.75),
        ("json.ok", True),
        ("json.no?", None),
        ("json.nowhere.at.all?", None),
        ("json.no ?", None),
        ("json.items[1].name", "b"),
        ("json.items[-1]", {"name": "b"}),
        ('json["a b"]["x.y"]', 5),
        ("json.a b['x.y']", 5),
        ("usage.output_tokens", 4),
        ("usage.cache_creation.ephemeral_5m_input_tokens", 9),
        ("stop_reason", "end_turn"),
        ("model", "m-1"),
        ("type", "succeeded"),
        ("custom_id", "k1"),
        ("key", "TEG 10"),
        ("row.id", 7),
        ("row.deep.er", "x"),
        ("now", NOW),
        ("null", None),
        ("'completed'", "completed"),
        ('"json.score"', "json.score"),
        ("''", ""),
        ("  json.score ", 0.75),
    ],
)
def test_a_path_gives_what_it_says_with_its_type(said: str, value: Any) -> None:
    found = path(said).take(reading(id=7, deep={"er": "x"}))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("json.scores", "the answer has no scores"),
        ("json.items[2].name", r"items has 2 entries, but no \[2\]"),
        ("json.score.value", "score is a number, not an object"),
        ("json[0]", "the answer is an object, not a list"),
        ("json.no.x", "no is null, not an object"),
        ("json.no", "json.no is null"),
        ("row.id", "the source's row has no id"),
        ("usage.tokens", "usage has no tokens"),
    ],
)
def test_what_is_not_there_is_said_in_words(said: str, reason: str) -> None:
    with pytest.raises(Missing, match=reason):
        path(said).take(reading())


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"a": 1}\n```',
        '```json\n{"a": 1, "code": "```py```"}\n```',
        '\n```\n{"a": 1}```\n',
        '  {"a": 1}  ',
        '```JSON  \r\n{"a":\r\n1}\r\n```',
    ],
)
def test_a_fence_around_the_json_is_left_out(text: str) -> None:
    assert path("json.a").take(reading(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        'Here it is:\n\n```json\n{"a": 1}\n```\nI hope that helps.',
        'Thinking about it.\n```\n{"a": 1}\n```',
        '```json\n{"a": 1}\n```\n\nThe score is high because of `b`.',
        '\ufeff{"a": 1}',
    ],
)
def test_words_around_the_only_fence_are_left_out(text: str) -> None:
    assert path("json.a").take(reading(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"a": 1}\n```\nor\n```json\n{"a": 2}\n```',
        'First {"a": 1}, then ```{"a": 2}```',
        "Run this:\n```python\nprint(1)\n```",
        'So: {"a": 1}',
    ],
)
def test_what_could_be_meant_in_two_ways_is_no_json(text: str) -> None:
    with pytest.raises(Missing, match="not JSON"):
        path("json.a").take(reading(text))


@pytest.mark.parametrize(
    "text", ["", "   ", "positive", 'Here: {"a": 1}', '{"a": NaN}', "[" * 100_000, '{"a": 1', '{"a": 1} {"a": 2}']
)
def test_a_text_that_is_no_json_is_said_and_not_guessed_at(text: str) -> None:
    with pytest.raises(Missing, match="not JSON"):
        path("json.a").take(reading(text))


def test_json_that_was_cut_by_the_limit_says_so() -> None:
    with pytest.raises(Missing, match="cut off \\(max_tokens\\)"):
        path("json.a").take(reading('{"a": "b', "max_tokens"))


def test_half_a_character_does_not_hide_the_json() -> None:
    assert path("json.a").take(reading('{"a": "\\ud800"}')) == "\ufffd"


def test_half_a_character_anywhere_in_an_answer_does_not_hide_its_usage(make: Any) -> None:
    raw = make.answer("k1", "x \ud800", input_tokens=2**63, service_tier="a\udfff")
    [answer] = make(raw)
    found = Reading(answer, NOW)
    assert path("usage.output_tokens").take(found) == 4
    assert path("usage.input_tokens").take(found) == 2**63
    assert path("usage.service_tier").take(found) == "a\ufffd"
    assert path("text").take(found) == "x \ufffd"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("jsn.score", "Did you mean json"),
        ("", "starts with one of"),
        ("score", "starts with one of"),
        ("teg", "A source column is row.teg"),
        ("completed", """a text is "'completed'\""""),
        ("text.x", "starts with one of"),
        ("json..x", "starts with one of"),
        ("json.items[x]", "starts with one of"),
        ("json.", "starts with one of"),
        ("row", "row.COLUMN"),
        ("'open", "same quote"),
        ("'a'b'", "same quote"),
        ("'", "same quote"),
        ("now()", "starts with one of"),
    ],
)
def test_a_path_that_is_none_is_refused_with_what_there_is(said: str, hint: str) -> None:
    with pytest.raises(BadInput) as caught:
        path(said)
    assert hint in caught.value.hint


def test_a_template_of_one_path_keeps_the_type_and_any_other_is_text() -> None:
    one = reading(id=7)
    assert template("{{ row.id }}").take(one) == 7
    assert template("{{row.id}}-{{ json.ok }} {{null}}.").take(one) == "7-true ."
    assert template("plain").take(one) == "plain"
    assert template("").take(one) == ""
    assert template("{{ key }}_{{ json.score }}").roots == {"key", "json"}


@pytest.mark.parametrize("said", ["{{ row.id", "row.id }}", "{{ nope }}", "{{ {{ key }} }}", "{{}}"])
def test_a_template_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(BadInput):
        template(said)


def test_what_stands_in_values_is_never_read_as_a_template() -> None:
    one = reading(text="{{ row.secret }}", secret="s", id="{{ row.secret }}")
    assert template("{{ text }}/{{ row.id }}").take(one) == "{{ row.secret }}/{{ row.secret }}"


def test_values_become_words_that_can_be_read_back() -> None:
    assert words(NOW) == "2026-11-22T14:30:00+00:00"
    assert msgspec.json.decode(words({"a": [1, True, None, "é"]})) == {"a": [1, True, None, "é"]}
