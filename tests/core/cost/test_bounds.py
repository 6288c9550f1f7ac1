"""A limit holds against documents and tools too: what may come on top is counted from above, or has no bound."""

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.price import STANDARD, US_ONLY
from batchtui.core.cost.bounds import CONTEXT
from batchtui.core.cost.estimate import Estimate, in_words, price
from batchtui.core.cost.limit import hold, hold_more, most_usd
from batchtui.core.cost.tally import measure
from batchtui.core.cost.token_count import Sampled
from batchtui.core.errors import OverLimit

AT = datetime(2026, 11, 20, tzinfo=UTC)
MODEL = "claude-sonnet-5-5"
"""2 dollars for a million tokens of input: half of that in a batch."""

EACH = 1e-6 * float(US_ONLY)
"""The most for a token: a workspace may run all of its requests in the US."""

PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}
BY_URL = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
BY_ID = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
PLAIN = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}
CODE = {"type": "code_execution_20250825", "name": "code_execution"}
OWN = {"name": "look_up", "input_schema": {"type": "object"}}
BASH = {"type": "bash_20250124", "name": "bash"}


def estimate(tmp_path: Path, *blocks: Any, rows: int = 1, **params: Any) -> Estimate:
    content = [{"type": "text", "text": "hi"}, *blocks]
    every = {"model": MODEL, "max_tokens": 10, "messages": [{"role": "user", "content": content}], **params}
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"custom_id": f"r{at}", "params": every}) + "\n" for at in range(rows)))
    return price(measure(path, {}), Sampled(), {}, AT)


@pytest.mark.parametrize("block", [PDF, BY_URL, BY_ID, {"type": "tool_result", "content": [PDF]}])
def test_a_document_may_cost_as_much_as_the_longest_prompt(tmp_path: Path, block: Any) -> None:
    found = estimate(tmp_path, block, rows=3)
    assert found.batch_usd is not None
    assert found.batch_usd < 0.1
    assert found.batch_max_usd == pytest.approx(3 * CONTEXT * EACH, rel=0.01)
    with pytest.raises(OverLimit, match=r"up to \$3\.30"):
        hold(found, 3.2)
    hold(found, 3.4)
    assert "≤$3.30" in in_words(found)


def test_a_document_that_is_written_to_a_cache_may_cost_twice_as_much(tmp_path: Path) -> None:
    found = estimate(tmp_path, {**PDF, "cache_control": {"type": "ephemeral", "ttl": "1h"}})
    assert found.batch_max_usd == pytest.approx(2 * CONTEXT * EACH, rel=0.01)


@pytest.mark.parametrize("tools", [[OWN], [BASH], [{**OWN, "type": "custom"}]])
def test_tools_of_ones_own_add_only_what_the_api_says_about_them(tmp_path: Path, tools: list[Any]) -> None:
    """The API adds a prompt of at most 804 tokens for tools, and at most 7,550 for a tool of its own."""
    found, without = estimate(tmp_path, PLAIN, tools=tools), estimate(tmp_path, PLAIN)
    assert 804 < found.input_tokens_max - without.input_tokens_max < 11_000
    assert found.unbounded == ()


def test_max_uses_bounds_what_tools_of_the_api_cost(tmp_path: Path) -> None:
    """A search costs a cent and is not halved. For each use, the prompt is read once more."""
    searched = estimate(tmp_path, tools=[{**SEARCH, "max_uses": 5}])
    assert searched.batch_max_usd == pytest.approx(6 * CONTEXT * EACH + 0.05, rel=0.01)
    fetched = estimate(tmp_path, tools=[{**FETCH, "max_uses": 2}, OWN])
    assert fetched.batch_max_usd == pytest.approx(3 * CONTEXT * EACH, rel=0.01)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"tools": [SEARCH]}, "web_search_20250305 without max_uses"),
        ({"tools": [OWN, {**FETCH, "max_uses": None}]}, "web_fetch_20250910 without max_uses"),
        ({"tools": [{**SEARCH, "max_uses": 5}, CODE]}, "code_execution_20250825"),
        ({"tools": [{"type": "oracle_20270101", "name": "o", "max_uses": 1}]}, "oracle_20270101"),
        ({"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "m"}]}, "MCP servers"),
        ({"container": "container_1"}, "a container"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "compaction"),
        ({"thread": {"id": "thread_1"}}, "a thread"),
        ({"tools": [{"type": ["web_search_20250305"], "max_uses": 1}]}, "the tool ['web_search_20250305']"),
    ],
    ids=["search", "fetch", "code", "novel", "mcp", "container", "compaction", "thread", "odd"],
)
def test_what_has_no_bound_is_not_sent_under_any_limit_and_no_most_is_said(
    tmp_path: Path, params: dict[str, Any], named: str
) -> None:
    found = estimate(tmp_path, **params)
    assert found.batch_usd is not None
    assert found.batch_max_usd is None
    with pytest.raises(OverLimit, match=re.escape(named)):
        hold(found, 1e9)
    with pytest.raises(OverLimit, match=re.escape(named)):
        hold(found, 1e9, STANDARD)
    with pytest.raises(OverLimit, match=re.escape(named)):
        hold_more("The retry", found, 0.0, 1e9, "how")
    hold(found, None)
    assert "≤" not in in_words(found)
    assert "no upper bound because of " in in_words(found)
    assert named in in_words(found)


def test_a_file_that_goes_into_a_container_has_no_bound(tmp_path: Path) -> None:
    found = estimate(tmp_path, {"type": "container_upload", "file_id": "file_1"})
    assert found.unbounded == ("a container",)


def test_one_row_without_a_bound_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    one = {"model": MODEL, "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    rows = [one] * 50 + [{**one, "tools": [SEARCH]}] + [one] * 50
    path.write_text("".join(json.dumps({"custom_id": f"r{at}", "params": row}) + "\n" for at, row in enumerate(rows)))
    with pytest.raises(OverLimit, match="web_search"):
        hold(price(measure(path, {}), Sampled(), {}, AT), 1e9)


def text_tokens(tmp_path: Path, *blocks: Any, **params: Any) -> int:
    """What content adds to the most tokens of a prompt."""
    return estimate(tmp_path, *blocks, **params).input_tokens_max - estimate(tmp_path).input_tokens_max


@pytest.mark.parametrize("text", ["7 3 9 1 " * 500, "語" * 1000, "ü" * 1000, "\u0000\u0001" * 500, "🦉" * 500])
def test_no_text_has_more_tokens_than_bytes(tmp_path: Path, text: str) -> None:
    """Numbers come close to it: newer tokenizers make a token of each digit."""
    size = len(text.encode())
    assert size <= text_tokens(tmp_path, {"type": "text", "text": text}) < size * 6 + 100


def test_escapes_of_json_are_not_counted_as_text(tmp_path: Path) -> None:
    """Python writes every umlaut with six characters unless it is told otherwise."""
    assert text_tokens(tmp_path, {"type": "text", "text": "ü" * 1000}) < 2100


def test_the_most_is_of_the_dearer_tier_if_the_prompt_may_be_that_long(tmp_path: Path) -> None:
    """claude-haiku-5-5 has five times the price from 100,000 tokens on, for all tokens."""
    text = {"type": "text", "text": "word " * 30_000}
    found = estimate(tmp_path, text, model="claude-haiku-5-5")
    assert found.input_tokens < 100_000
    assert found.batch_max_usd == pytest.approx(found.input_tokens_max * 0.25e-6 * float(US_ONLY), rel=0.01)


def test_the_most_is_in_the_us_unless_the_request_says_that_it_is_not(tmp_path: Path) -> None:
    """Without inference_geo, that of the workspace applies."""
    plain, world, us = (estimate(tmp_path, **more) for more in ({}, geo("global"), geo("us")))
    assert plain.batch_max_usd == pytest.approx(us.batch_max_usd, rel=0.2)
    assert plain.batch_max_usd is not None
    assert world.batch_max_usd is not None
    assert world.batch_max_usd / world.input_tokens_max < plain.batch_max_usd / plain.input_tokens_max


def geo(where: str) -> dict[str, Any]:
    return {"inference_geo": where}


@pytest.mark.parametrize(("ttl", "times"), [({}, 1.25), ({"ttl": "5m"}, 1.25), ({"ttl": "1h"}, 2.0)])
def test_what_may_be_written_to_a_cache_may_cost_more_than_reading(
    tmp_path: Path, ttl: dict[str, str], times: float
) -> None:
    text = {"type": "text", "text": "word " * 3000}
    marked = estimate(tmp_path, {**text, "cache_control": {"type": "ephemeral", **ttl}})
    assert marked.batch_max_usd == pytest.approx(marked.input_tokens_max * EACH * times, rel=0.01)
    whole = estimate(tmp_path, text, cache_control={"type": "ephemeral", **ttl})
    assert whole.batch_max_usd == pytest.approx(whole.input_tokens_max * EACH * times, rel=0.01)


def picture(width: int, height: int) -> dict[str, Any]:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02" + bytes(60_000)
    data = base64.b64encode(head).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        (MODEL, (1920, 1080), 2765),
        (MODEL, (3840, 2160), 4784),
        (MODEL, (28, 28), 2),
        ("claude-sonnet-4-6", (1920, 1080), 1600),
        ("claude-sonnet-4-6", (200, 200), 64),
    ],
)
def test_an_image_costs_what_its_pixels_say_at_most_what_the_model_looks_at(
    tmp_path: Path, model: str, size: tuple[int, int], tokens: int
) -> None:
    image = picture(*size)
    found = estimate(tmp_path, image, model=model).input_tokens_max - estimate(tmp_path, model=model).input_tokens_max
    assert tokens <= found < tokens + 200


@pytest.mark.parametrize(
    "source",
    [
        {"type": "url", "url": "https://example.com/a.png"},
        {"type": "file", "file_id": "file_1"},
        {"type": "base64", "media_type": "image/png", "data": "AAAA"},
        {"type": "base64", "media_type": "image/png", "data": "not base64"},
    ],
)
def test_an_image_of_unknown_size_costs_as_much_as_the_largest(tmp_path: Path, source: dict[str, str]) -> None:
    assert text_tokens(tmp_path, {"type": "image", "source": source}) >= 4784
    in_a_result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": source}]}
    assert text_tokens(tmp_path, in_a_result) >= 4784


def test_what_only_looks_like_an_image_is_text(tmp_path: Path) -> None:
    call = {"type": "tool_use", "id": "t", "name": "n", "input": picture(28, 28)}
    assert text_tokens(tmp_path, call) > 80_000


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("where", ["input_examples", "default"])
def test_what_looks_like_a_picture_in_the_definition_of_a_tool_is_text(
    tmp_path: Path, where: str, *, marked: bool
) -> None:
    data = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 50_000}}
    tool = {**OWN, "input_examples": [data]} if where == "input_examples" else {**OWN}
    if where == "default":
        tool["input_schema"] = {"type": "object", "properties": {"a": {"default": data}}}
    if marked:
        tool["cache_control"] = {"type": "ephemeral"}
    made = estimate(tmp_path, tools=[tool])
    assert (most_usd(made) or 0) > 50_000 * EACH


def test_a_schema_for_the_answer_is_part_of_the_prompt(tmp_path: Path) -> None:
    schema = {"type": "object", "description": "x" * 5000}
    config = {"format": {"type": "json_schema", "schema": schema}}
    assert text_tokens(tmp_path, output_config=config) > 5000 + 800


def test_the_most_is_never_less_than_what_was_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    params = {"model": MODEL, "max_tokens": 10, "messages": [{"role": "user", "content": "word " * 100}]}
    path.write_text(json.dumps({"custom_id": "r", "params": params}) + "\n")
    found = price(measure(path, {MODEL: 50.0}), Sampled(1, {MODEL: 50.0}), {}, AT)
    assert found.batch_usd is not None
    assert found.batch_max_usd is not None
    assert found.batch_usd <= found.batch_max_usd
