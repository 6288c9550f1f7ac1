"""A limit holds against documents and tools too: what may come on top is counted from above, or has no bound."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.price import STANDARD
from batchtui.core.cost.bounds import CONTEXT
from batchtui.core.cost.estimate import Estimate, in_words, measure, price
from batchtui.core.cost.limit import OverLimit, hold, hold_more
from batchtui.core.cost.token_count import Sampled

AT = datetime(2026, 11, 20, tzinfo=UTC)
MODEL = "claude-sonnet-5-5"
"""2 dollars for a million tokens of input: half of that in a batch."""

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
    assert found.batch_max_usd == pytest.approx(3 * CONTEXT * 1e-6, rel=0.01)
    with pytest.raises(OverLimit, match=r"up to \$3\."):
        hold(found, 2.9)
    hold(found, 3.1)
    assert "at most $3." in in_words(found)


def test_a_document_that_is_written_to_a_cache_may_cost_twice_as_much(tmp_path: Path) -> None:
    found = estimate(tmp_path, {**PDF, "cache_control": {"type": "ephemeral", "ttl": "1h"}})
    assert found.batch_max_usd == pytest.approx(2 * CONTEXT * 1e-6, rel=0.01)


@pytest.mark.parametrize("tools", [[OWN], [BASH], [{**OWN, "type": "custom"}]])
def test_text_and_tools_of_ones_own_add_nothing(tmp_path: Path, tools: list[Any]) -> None:
    found = estimate(tmp_path, PLAIN, tools=tools)
    assert found.batch_max_usd == found.batch_usd
    assert found.unbounded == ()


def test_max_uses_bounds_what_tools_of_the_api_cost(tmp_path: Path) -> None:
    """A search costs a cent and is not halved. For each use, the prompt is read once more."""
    searched = estimate(tmp_path, tools=[{**SEARCH, "max_uses": 5}])
    assert searched.batch_max_usd == pytest.approx(6 * CONTEXT * 1e-6 + 0.05, rel=0.01)
    fetched = estimate(tmp_path, tools=[{**FETCH, "max_uses": 2}, OWN])
    assert fetched.batch_max_usd == pytest.approx(3 * CONTEXT * 1e-6, rel=0.01)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"tools": [SEARCH]}, "web_search_20250305 without max_uses"),
        ({"tools": [OWN, {**FETCH, "max_uses": None}]}, "web_fetch_20250910 without max_uses"),
        ({"tools": [{**SEARCH, "max_uses": 5}, CODE]}, "code_execution_20250825"),
        ({"tools": [{"type": "oracle_20270101", "name": "o", "max_uses": 1}]}, "oracle_20270101"),
        ({"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "m"}]}, "MCP servers"),
        ({"container": "container_1"}, "a container"),
    ],
    ids=["search", "fetch", "code", "novel", "mcp", "container"],
)
def test_what_has_no_bound_is_not_sent_under_any_limit_and_no_most_is_said(
    tmp_path: Path, params: dict[str, Any], named: str
) -> None:
    found = estimate(tmp_path, **params)
    assert found.batch_usd is not None
    assert found.batch_max_usd is None
    with pytest.raises(OverLimit, match=named):
        hold(found, 1e9)
    with pytest.raises(OverLimit, match=named):
        hold(found, 1e9, STANDARD)
    with pytest.raises(OverLimit, match=named):
        hold_more("The retry", found, 0.0, 1e9, "how")
    hold(found, None)
    assert "at most" not in in_words(found)
    assert f"no upper bound because of {'the tool ' * (named[0] not in 'Ma')}{named}" in in_words(found)


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
