"""Answers have the form that the request sets, and every field that strict clients read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from anthropic.types import Message
from anthropic.types.beta import BetaMessage
from pydantic import TypeAdapter

from batchtui.core.simulator.answers import lines
from batchtui.core.simulator.judge import Judge
from batchtui.core.simulator.rules import read_create
from batchtui.core.simulator.world import SimulatorSettings, World

from .conftest import MESSAGES, Bare, requests

BETAS = ("advisor-tool-2026-03-01", "compact-2026-09-04")
BEGAN = datetime(2026, 11, 26, tzinfo=UTC)
WEATHER = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "enum": ["Graz", "Linz"]},
            "on": {"type": "string", "format": "date"},
        },
        "required": ["city", "on"],
        "additionalProperties": False,
    },
}
OTHER = {"name": "other", "input_schema": {"type": "object", "properties": {}}}
FORMAT = {
    "format": {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {"score": {"type": "integer"}, "why": {"type": "string"}},
            "required": ["score", "why"],
            "additionalProperties": False,
        },
    }
}
SEARCH = {"type": "web_search_20260318", "name": "web_search"}


def answers(count: int = 30, settings: SimulatorSettings | None = None, **params: Any) -> list[dict[str, Any]]:
    """The messages of a batch whose requests all have these params."""
    rows = read_create(json.dumps({"requests": requests(count, **params)}).encode(), Judge(BEGAN, betas=BETAS))
    batch = World(settings or SimulatorSettings()).add("w", rows, BEGAN)
    return [json.loads(line)["result"]["message"] for line in lines(batch, {})]


def test_a_forced_tool_is_called_with_input_that_fits() -> None:
    said = answers(tools=[OTHER, WEATHER], tool_choice={"type": "tool", "name": "get_weather"})
    for message in said:
        [block] = message["content"]
        assert (message["stop_reason"], block["type"], block["name"]) == ("tool_use", "tool_use", "get_weather")
        assert block["input"].keys() == {"city", "on"}
        assert block["input"]["city"] in ("Graz", "Linz")
    assert len({message["content"][0]["id"] for message in said}) == len(said)


def test_any_tool_is_one_of_them() -> None:
    said = answers(tools=[OTHER, WEATHER], tool_choice={"type": "any"})
    assert {message["content"][0]["name"] for message in said} == {"other", "get_weather"}


@pytest.mark.parametrize("choice", [{}, {"tool_choice": {"type": "auto"}}, {"tool_choice": {"type": "none"}}])
def test_a_tool_that_need_not_be_used_is_not(choice: dict[str, Any]) -> None:
    [message] = answers(1, tools=[WEATHER], **choice)
    assert (message["stop_reason"], message["content"][0]["type"]) == ("end_turn", "text")


@pytest.mark.parametrize(
    ("tool", "name", "given"),
    [
        ({"type": "bash_20250124", "name": "bash"}, "bash", {"command": "echo simulated"}),
        (
            {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
            "str_replace_based_edit_tool",
            {"command": "view", "path": "/simulated.txt"},
        ),
        ({"type": "memory_20250818", "name": "memory"}, "memory", {"command": "view", "path": "/memories"}),
        ({"type": "computer_toolset_20260801"}, "screenshot", {}),
    ],
)
def test_a_tool_that_the_api_knows_is_called_as_its_type_says(tool: Any, name: str, given: Any) -> None:
    [message] = answers(1, tools=[tool], tool_choice={"type": "any"})
    assert (message["content"][0]["name"], message["content"][0]["input"]) == (name, given)


def test_a_structured_answer_is_json_that_fits() -> None:
    for message in answers(output_config=FORMAT):
        assert json.loads(message["content"][0]["text"]).keys() == {"score", "why"}
        assert message["stop_reason"] == "end_turn"


def test_thinking_comes_first_and_is_counted() -> None:
    [message] = answers(1, thinking={"type": "adaptive", "display": "omitted"})
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert message["content"][0]["thinking"] == ""
    assert message["usage"]["output_tokens_details"]["thinking_tokens"] == 10


ALL = ("cut", "refused", "paused", "unfit")
STOPS = {"cut": "max_tokens", "refused": "refusal", "paused": "pause_turn"}


@pytest.mark.parametrize("share", ALL)
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"output_config": FORMAT},
        {"tools": [WEATHER, SEARCH], "tool_choice": {"type": "tool", "name": "get_weather"}},
    ],
    ids=["plain", "structured", "tool"],
)
def test_answers_are_cut_refused_paused_or_unfit_as_told(share: str, form: dict[str, Any]) -> None:
    for message in answers(10, SimulatorSettings(**{share: 1.0}), **form):  # type: ignore[arg-type]
        blocks, stop = message["content"], message["stop_reason"]
        assert stop == STOPS.get(share, "tool_use" if "tools" in form else "end_turn")
        match share:
            case "refused":
                assert (blocks, message["stop_details"]["category"]) == ([], "general_harms")
            case "paused":
                assert blocks[-1]["type"] == "server_tool_use"
            case "cut":
                assert message["usage"]["output_tokens"] == 1000
                assert blocks[0].get("input") == {} if "tools" in form else blocks[0]["text"]
                if "output_config" in form:
                    with pytest.raises(ValueError, match="line 1"):
                        json.loads(blocks[0]["text"])
            case "unfit" if "tools" in form:
                assert blocks[0]["input"].keys() == {"on"}
            case "unfit" if "output_config" in form:
                assert json.loads(blocks[0]["text"]).keys() == {"why"}
            case "unfit":
                assert blocks == []


def test_max_tokens_cuts_every_form() -> None:
    for form in ({"output_config": FORMAT}, {"tools": [WEATHER], "tool_choice": {"type": "any"}}):
        [message] = answers(1, max_tokens=3, **form)
        assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 3)


def test_shares_add_up_and_keep_the_ones_before_them_as_they_were() -> None:
    first = answers(3000, SimulatorSettings(refused=0.1))
    both = answers(3000, SimulatorSettings(refused=0.1, cut=0.2, paused=0.05, unfit=0.05))
    stops = [message["stop_reason"] for message in both]
    assert abs(stops.count("max_tokens") - 600) < 90
    assert abs(stops.count("pause_turn") - 150) < 50
    assert [one["id"] for one in first if one["stop_reason"] == "refusal"] == [
        one["id"] for one in both if one["stop_reason"] == "refusal"
    ]


ADVISOR = {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5"}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"output_config": FORMAT},
        {"tools": [WEATHER], "tool_choice": {"type": "any"}},
        {"thinking": {"type": "adaptive"}},
        {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]},
        {"tools": [ADVISOR]},
    ],
)
@pytest.mark.parametrize("share", [None, *ALL])
def test_a_message_passes_the_sdks_types_in_strict_mode(params: dict[str, Any], share: str | None) -> None:
    settings = SimulatorSettings(**({share: 1.0} if share else {}))  # type: ignore[arg-type]
    [message] = answers(1, settings, **params)
    for kind in (Message, BetaMessage):
        TypeAdapter(kind).validate_json(json.dumps(message), strict=True)
    assert {"id", "type", "role", "content", "model", "stop_reason", "stop_sequence", "stop_details"} < message.keys()
    assert "container" in message
    assert {"cache_creation", "inference_geo", "server_tool_use", "service_tier"} < message["usage"].keys()


def test_advice_and_compaction_are_counted_apart() -> None:
    [advised] = answers(1, tools=[ADVISOR])
    kinds = [one["type"] for one in advised["usage"]["iterations"]]
    assert (kinds, advised["usage"]["iterations"][1]["model"]) == (["message", "advisor_message"], "claude-opus-5")
    [compacted] = answers(1, compaction={"type": "summarize"})
    assert (compacted["stop_reason"], compacted["content"][0]["type"]) == ("compaction", "compaction")
    assert compacted["usage"]["iterations"][0]["type"] == "compaction"


def test_messages_sent_alone_are_answered_in_the_same_forms(bare: Bare) -> None:
    [row] = requests(1, tools=[WEATHER], tool_choice={"type": "any"})
    status, said = bare.ask("POST", MESSAGES, json.dumps(row["params"]).encode())
    assert (status, said["stop_reason"], said["content"][0]["name"]) == (200, "tool_use", "get_weather")
    TypeAdapter(Message).validate_json(json.dumps(said), strict=True)
