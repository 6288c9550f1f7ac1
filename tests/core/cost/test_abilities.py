"""What a model cannot do by the API's own list of it is a problem of every row that asks for it.

The list: https://docs.claude.com/en/api/models-list (capabilities, max_tokens, max_input_tokens of each model).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.cost.abilities import look
from batchtui.core.cost.models import Catalogue, Model

NO = {"supported": False}
YES = {"supported": True}
WEAK = {
    "batch": YES,
    "citations": NO,
    "code_execution": NO,
    "context_management": {**YES, "compact_20260112": NO, "clear_tool_uses_20250919": YES},
    "effort": {**YES, "high": YES, "xhigh": NO, "max": NO, "low": YES, "medium": YES},
    "image_input": NO,
    "pdf_input": NO,
    "server_tools": {**YES, "web_search": YES, "code_execution": NO},
    "structured_outputs": NO,
    "thinking": {**YES, "types": {"adaptive": YES, "enabled": NO, "disabled": YES, "between_tools": NO}},
}
NAME = "claude-some-9"
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
TEXT = {"type": "text", "media_type": "text/plain", "data": "x"}
CITED = {"type": "document", "source": TEXT, "citations": {"enabled": True}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}}
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}


def file_of(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    plain = {"model": NAME, "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"custom_id": f"r{at}", "params": plain | one}) + "\n" for at, one in enumerate(rows))
    )
    return path


def catalogue(**of: Any) -> Catalogue:
    return Catalogue({NAME: Model(NAME, **{"capabilities": WEAK, "max_tokens": 100, **of})}, (), (NAME,))


def said(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [*blocks, {"type": "text", "text": "x"}]}]}


def tool(kind: str, **more: Any) -> dict[str, Any]:
    return {"tools": [{"type": kind, "name": kind.rpartition("_")[0], **more}]}


ASKED = [
    ({"output_config": {"effort": "xhigh"}}, "params.output_config.effort"),
    ({"output_config": {"effort": "high"}}, ""),
    ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "params.output_config.format"),
    ({"tools": [{"name": "t", "input_schema": SCHEMA, "strict": True}]}, "params.tools[0].strict"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "params.thinking.type"),
    ({"thinking": {"type": "between_tools"}}, "params.thinking.type"),
    ({"thinking": {"type": "adaptive"}}, ""),
    (said(IMAGE), "params.messages[0].content[0]"),
    (said({"type": "document", "source": PDF}), "params.messages[0].content[0]"),
    (said({"type": "document", "source": TEXT}), ""),
    (
        said({"type": "document", "source": TEXT, "citations": {"enabled": True}}),
        "params.messages[0].content[0].citations",
    ),
    (tool("code_execution_20250825"), "params.tools[0].type"),
    (tool("web_search_20250305"), ""),
    (tool("web_search_20260209"), "params.tools[0].type"),
    (tool("web_search_20260209", allowed_callers=["direct"]), ""),
    ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "params.context_management.edits[0].type"),
    ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, ""),
    ({"max_tokens": 101}, "params.max_tokens"),
    ({"max_tokens": 100}, ""),
]


@pytest.mark.parametrize(("asked", "field"), ASKED, ids=[f"{n}-{one[1]}" for n, one in enumerate(ASKED)])
def test_what_a_model_cannot_do_is_a_problem_of_each_row_that_asks_for_it(
    tmp_path: Path, asked: dict[str, Any], field: str
) -> None:
    found = look(file_of(tmp_path, {}, asked, {}, asked), catalogue(), ())
    wanted = [(2, field, "line 2"), (4, field, "line 4")] if field else []
    assert [(one.line, one.field, one.where) for one in found.problems] == wanted
    assert all(NAME in one.message and one.hint for one in found.problems)


def test_what_the_api_does_not_say_about_a_model_is_believed(tmp_path: Path) -> None:
    rows = file_of(tmp_path, *(asked for asked, _ in ASKED))
    assert look(rows, catalogue(capabilities=None, max_tokens=None), ()).problems == []
    assert look(rows, catalogue(capabilities={"effort": None, "batch": YES}, max_tokens=None), ()).problems == []
    assert look(rows, Catalogue({}, (), ()), ()).problems == []


def test_a_beta_allows_longer_answers(tmp_path: Path) -> None:
    rows = file_of(tmp_path, {"max_tokens": 300_000}, {"max_tokens": 300_001})
    assert len(look(rows, catalogue(), ()).problems) == 2
    [problem] = look(rows, catalogue(), ("output-300k-2026-03-24",)).problems
    assert (problem.line, problem.field) == (2, "params.max_tokens")


def test_what_may_be_too_long_is_to_be_counted_and_of_many_only_what_surely_is_too_long_is_a_problem(
    tmp_path: Path,
) -> None:
    def long(words: int) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": "word " * words}]}

    rows = file_of(tmp_path, long(10), *[long(620)] * 25, long(3000))
    found = look(rows, catalogue(max_input_tokens=1000), ())
    assert [row.number for row in found.long] == [*range(2, 22)]
    assert [one.line for one in found.problems] == [27]
    assert "reads at most 1,000" in found.problems[0].message


def test_all_problems_are_counted_and_the_first_are_kept(tmp_path: Path) -> None:
    found = look(file_of(tmp_path, *[{"max_tokens": 1000}] * 300), catalogue(), ())
    assert (len(found.problems), found.kinds) == (20, {"model": 300})
