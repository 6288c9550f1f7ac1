"""Tokens guessed from a request's text: every text counts once, and what a cache may hold is counted separately."""

import json
from typing import Any

import pytest

from batchtui.core.cost.token_guess import BYTES_PER_TOKEN, DOCUMENT, IMAGE, NEWER, PromptSize, read

OLDER_MODEL = "claude-sonnet-4-6"


def prompt(content: Any = "x" * 350, model: str = OLDER_MODEL, **params: Any) -> PromptSize:
    messages = [{"role": "user", "content": content}]
    row = {"custom_id": "a", "params": {"model": model, "max_tokens": 9, "messages": messages, **params}}
    return read(json.dumps(row).encode())


def text(count: int, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": "x" * count, **more}


def near(tokens: float) -> Any:
    return pytest.approx(tokens, abs=4)


def test_newer_models_have_more_tokens_for_the_same_text() -> None:
    older = prompt().tokens
    assert older == near(350 / BYTES_PER_TOKEN)
    for model in ("claude-opus-4-7", "claude-haiku-5-5", "claude-fable-5"):
        assert prompt(model=model).tokens == pytest.approx(older * NEWER)
    for model in ("claude-opus-4-20250514", "claude-3-haiku-20240307", "claude-haiku-4-5-20251001"):
        assert prompt(model=model).tokens == older


def test_text_counts_by_its_bytes_and_not_by_how_json_wrote_it() -> None:
    assert prompt("語" * 100).tokens == near(300 / BYTES_PER_TOKEN)
    assert prompt("\n" * 350).tokens == prompt("x" * 350).tokens


def test_system_tools_and_every_message_count() -> None:
    alone = prompt().tokens
    assert prompt(system="x" * 350).tokens == near(alone * 2)
    assert prompt(system=[text(350)]).tokens == near(alone * 2)
    assert prompt([text(350), {"type": "tool_result", "tool_use_id": "t" * 99, "content": [text(350)]}]).tokens == near(
        alone * 2
    )
    tool = {"name": "get", "description": "x" * 350, "input_schema": {"type": "object", "properties": {"place": {}}}}
    assert prompt(tools=[tool]).tokens > alone * 2


def test_the_bytes_of_images_and_documents_are_not_taken_for_text() -> None:
    data = {"type": "base64", "media_type": "image/png", "data": "A" * 1_000_000}
    found = prompt([text(350), {"type": "image", "source": data}, {"type": "document", "source": data}])
    assert found.unseen == 2
    assert found.tokens == near(350 / BYTES_PER_TOKEN + IMAGE + DOCUMENT)
    plain = prompt([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x" * 350}}])
    assert (plain.unseen, plain.tokens) == (0, near(350 / BYTES_PER_TOKEN))


CACHED = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def test_what_stands_before_a_mark_is_a_segment_and_equal_beginnings_have_equal_keys() -> None:
    system = [text(7000, **HOUR)]
    one = prompt([text(3500, **CACHED), text(350)], system=system)
    other = prompt([text(3500, **CACHED), text(700)], system=system)
    different = prompt([text(3501, **CACHED), text(350)], system=system)
    assert [segment.an_hour for segment in one.segments] == [True, False]
    assert [segment.tokens for segment in one.segments] == [near(2000), near(1000)]
    assert one.plain == near(100)
    keys = [[segment.key for segment in each.segments] for each in (one, other, different)]
    assert keys[0] == keys[1]
    assert keys[0][0] == keys[2][0]
    assert keys[0][1] != keys[2][1]
    assert prompt([text(3500, **CACHED)], model="claude-sonnet-4-5", system=system).segments[0].key != keys[0][0]


def test_a_beginning_too_short_for_any_cache_is_plain() -> None:
    found = prompt([text(350, **CACHED), text(7000)])
    assert (found.segments, found.plain) == ((), near(2100))


def test_a_mark_on_the_whole_request_caches_all_of_it() -> None:
    found = prompt([text(7000)], **CACHED)
    assert ([segment.tokens for segment in found.segments], found.plain) == ([near(2000)], 0)


@pytest.mark.parametrize(
    ("content", "params"),
    [
        ("x" * 35, {}),
        ("語\n" * 10, {"system": "é" * 20, "inference_geo": "us"}),
        ([text(30)], {}),
        ("x", {"system": [text(30)]}),
        ("x", {"tools": [{"name": "t", "input_schema": {"type": "object"}}]}),
        ("x", {"output_config": {"effort": "low"}}),
        ("x", {"cache_control": {"type": "ephemeral"}}),
        ("x", {"mcp_servers": [{"name": "m"}]}),
        ("x", {"container": "c"}),
    ],
)
def test_what_is_text_alone_is_measured_like_the_rest(
    monkeypatch: pytest.MonkeyPatch, content: Any, params: dict[str, Any]
) -> None:
    fast = prompt(content, **params)
    monkeypatch.setattr("batchtui.core.cost.token_guess._text_alone", lambda params: None)
    assert prompt(content, **params) == fast
