"""Answers are checked against the schemas that their requests asked for.

What is asked: https://docs.claude.com/en/docs/build-with-claude/structured-outputs,
https://docs.claude.com/en/docs/agents-and-tools/tool-use/implement-tool-use.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.errors import Stopped
from batchtui.core.logs import log
from batchtui.core.results import schema as schema_module
from batchtui.core.results.schema_pattern import risky
from batchtui.core.results.schemas import misfits

SCORE = {
    "type": "object",
    "required": ["score"],
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number"},
        "kind": {"enum": ["a", "b"]},
        "day": {"type": "string", "format": "date"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}},
        "owner": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"name": {"const": "me"}}}]},
    },
    "$defs": {"part": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
}
FORMAT = {"output_config": {"format": {"type": "json_schema", "schema": SCORE}}}
TOOL = {"name": "rate", "description": "d", "input_schema": SCORE}
TOOLS = {"tools": [TOOL, {"type": "bash_20250124", "name": "bash"}]}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def call(name: str, value: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": value}


SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}


class Files:
    def __init__(self, folder: Path) -> None:
        self.archive, self.results = folder / "asked.jsonl", folder / "answers.jsonl"

    def ask(self, *params: dict[str, Any]) -> None:
        rows = [{"custom_id": f"r{n}", "params": {"model": "m", **one}} for n, one in enumerate(params)]
        self.archive.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def answer(self, *contents: list[dict[str, Any]], stop_reason: str = "end_turn") -> None:
        self.results.write_text("")
        with self.results.open("a") as file:
            for number, content in enumerate(contents):
                message = {"model": "m", "content": content, "stop_reason": stop_reason}
                result = {"type": "succeeded", "message": message}
                file.write(json.dumps({"custom_id": f"r{number}", "result": result}) + "\n")

    def misfit(self, params: dict[str, Any], *content: dict[str, Any], stop_reason: str = "end_turn") -> str | None:
        self.ask(params)
        self.answer(list(content), stop_reason=stop_reason)
        return misfits(self.archive, self.results).get("r0")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('{"score": 0.5}', None),
        (' {"score": 1, "kind": "a", "day": "2026-11-26", "parts": [{"n": 1}], "owner": null}\n', None),
        ("A half.", "it is not JSON"),
        ("", "it is not JSON: it is empty"),
        ('```json\n{"score": 1}\n```', "it is not JSON"),
        ('{"score": NaN}', "it is not JSON"),
        ("[" * 100_000, "it is not JSON: nested too deeply"),
        ("[]", "it does not follow its schema: [] is not of type 'object'"),
        ("{}", "it does not follow its schema: 'score' is a required property"),
        ('{"score": "high"}', "it does not follow its schema: score: 'high' is not of type 'number'"),
        ('{"score": 1, "more": 1}', "it does not follow its schema: Additional properties are not allowed"),
        ('{"score": 1, "kind": "c"}', "it does not follow its schema: kind: 'c' is not one of ['a', 'b']"),
        ('{"score": 1, "day": "yesterday"}', "it does not follow its schema: day: 'yesterday' is not a 'date'"),
        ('{"score": 1, "parts": [{"n": 1}, {"n": 1.5}]}', "it does not follow its schema: parts[1].n: 1.5 is not of"),
        ('{"score": 1, "owner": {"name": "you"}}', "it does not follow its schema: owner"),
        ('{"score": 1, "kind": "\\ud800"}', "it does not follow its schema: kind"),
    ],
)
def test_a_structured_answer_is_json_that_follows_the_schema(files: Files, said: str, why: str | None) -> None:
    found = files.misfit(FORMAT, text(said))
    assert found == why if why is None else (found or "").startswith(why)
    older = {"output_format": FORMAT["output_config"]["format"]}
    assert (files.misfit(older, text(said)) is None) is (why is None)


@pytest.mark.parametrize(
    ("choice", "content", "why"),
    [
        (None, [call("rate", {"score": 1})], None),
        (None, [text("No need of a tool.")], None),
        (None, [call("bash", {"command": 1})], None),  # the API's own tool: it has no schema here
        (None, [call("rate", {"score": "high"})], "the input of rate does not follow its schema: score: 'high'"),
        (None, [call("rate", {"score": 1}), call("rate", {})], "the input of rate does not follow its schema"),
        (None, [call("rat\x1be", {})], "it calls the tool rat\ufffde, which the request does not have"),
        ({"type": "any"}, [call("bash", {})], None),
        ({"type": "any"}, [text("No.")], "it calls no tool, but was to call one"),
        ({"type": "tool", "name": "rate"}, [text("No.")], "it calls no tool, but was to call rate"),
        ({"type": "tool", "name": "rate"}, [call("bash", {})], "it calls the tool bash, but was to call rate"),
        ({"type": "auto"}, [text("No.")], None),
    ],
)
def test_a_tool_gets_what_its_schema_says(
    files: Files, choice: dict[str, Any] | None, content: list[dict[str, Any]], why: str | None
) -> None:
    params = {**TOOLS, "tool_choice": choice} if choice else TOOLS
    found = files.misfit(params, *content, stop_reason="tool_use")
    assert found == why if why is None else (found or "").startswith(why)


def test_an_answer_that_calls_a_tool_is_not_yet_the_structured_one(files: Files) -> None:
    assert files.misfit({**FORMAT, **TOOLS}, text("Let me see."), call("rate", {"score": 1})) is None
    assert files.misfit({**FORMAT, **TOOLS}, text("Let me see."))


def test_what_is_said_before_a_tool_of_the_server_is_no_part_of_the_answer(files: Files) -> None:
    assert files.misfit(FORMAT, text("I look it up."), SEARCH, text('{"sco'), text('re": 1}')) is None
    assert files.misfit(FORMAT, text('{"score":'), SEARCH, text("1}")) is None
    assert files.misfit(FORMAT, text('{"score": 1}'), SEARCH, text("Done."))


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "pause_turn"])
def test_an_answer_that_is_none_keeps_its_own_cause(files: Files, reason: str) -> None:
    assert files.misfit(FORMAT, text('{"score":'), stop_reason=reason) is None


def test_rows_that_ask_for_nothing_are_not_looked_at_and_load_nothing(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "batchtui.core.results.schema", None)  # its import would fail
    files.results.write_text("never read")
    files.ask({"messages": [{"role": "user", "content": 'a json_schema, an "input_schema":'}]})
    assert misfits(files.archive, files.results) == {}
    files.archive.write_text("")
    assert misfits(files.archive, files.results) == {}
    files.ask(FORMAT)
    with pytest.raises(ImportError):
        misfits(files.archive, files.results)


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "objekt"},
        {"type": "object", "properties": {"score": {"$ref": "http://127.0.0.1:9/score.json"}}},
        {"$ref": "https://example.com/schema"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "#"},
        {"type": "object", "properties": {"score": {"pattern": "("}}},
        "not a schema",
        [],
    ],
)
def test_a_schema_that_cannot_be_used_checks_nothing_is_not_fetched_and_is_logged(
    files: Files, broken: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was fetched")

    said: list[str] = []
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(log, "warning", lambda message, *about: said.append(message % about))
    params = {"output_config": {"format": {"type": "json_schema", "schema": broken}}}
    files.ask(params, params)
    files.answer([text('{"score": 1}')], [text('{"score": 2}')])
    assert misfits(files.archive, files.results) == {}
    assert len(said) == 1
    assert "schema" in said[0]
    assert files.misfit({"tools": [{"name": "rate", "input_schema": broken}]}, call("rate", {"score": 1})) is None


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^((a*)b?)*$", "^([a(]+){2,}$"])
def test_a_pattern_that_would_take_for_ever_on_what_a_model_wrote_is_not_tried(files: Files, pattern: str) -> None:
    params = {"tools": [{"name": "rate", "input_schema": {"properties": {"x": {"pattern": pattern}}}}]}
    assert risky(pattern)
    assert files.misfit(params, call("rate", {"x": "a" * 5000 + "!"})) is None
    assert files.misfit(params, call("rate", {"x": "!"})) is not None
    assert files.misfit(params, call("rate", {"x": "aaaa"})) is None


@pytest.mark.parametrize("pattern", ["^a+$", r"^\(a\+\)+$", "^[(a+)]+$", "^(ab)+c*$", "^(a+b)?(c|d)$"])
def test_a_plain_pattern_is_tried_on_long_texts(files: Files, pattern: str) -> None:
    params = {"tools": [{"name": "rate", "input_schema": {"properties": {"x": {"pattern": pattern}}}}]}
    assert not risky(pattern)
    assert files.misfit(params, call("rate", {"x": "a" * 5000 + "!"})) is not None


def test_each_schema_is_compiled_once_however_many_rows_ask_for_it(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    validator = schema_module._validator
    monkeypatch.setattr(schema_module, "_validator", lambda schema: compiled.append(schema) or validator(schema))
    files.ask(*[FORMAT, {**TOOLS, "max_tokens": 1}, {**FORMAT, **TOOLS}] * 20)
    files.answer(*[[text("{}")]] * 60)
    assert len(misfits(files.archive, files.results)) == 40
    assert len(compiled) == 1


def test_only_the_wrong_rows_are_told_whatever_the_order_of_the_answers(files: Files) -> None:
    files.ask({}, FORMAT, {}, FORMAT)
    files.answer([text("plain")], [text("{}")], [text("plain")], [text('{"score": 2}')])
    lines = files.results.read_text().splitlines()
    files.results.write_text("\n".join([lines[3], "", lines[1], *lines[:1], "not json"]) + "\n")
    assert list(misfits(files.archive, files.results)) == ["r1"]


def test_a_check_that_is_stopped_says_so(files: Files) -> None:
    files.ask(FORMAT)
    files.answer([text("{}")])
    with pytest.raises(Stopped):
        misfits(files.archive, files.results, lambda: True)
