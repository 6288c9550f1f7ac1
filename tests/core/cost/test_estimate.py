"""The price of a file before it is sent: computed by hand, from exact counts if there are any, never 0 for unknown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.api.anthropic_sdk import AnthropicApi
from batchtui.core.api.credentials import Credentials
from batchtui.core.batches.price import Tokens, Usage
from batchtui.core.batches.remote import Counts
from batchtui.core.cost.estimate import price
from batchtui.core.cost.past import Usual, usual
from batchtui.core.cost.tally import Ceiling, Measured, Sum, measure
from batchtui.core.cost.token_count import Sampled, count, pick
from batchtui.core.errors import BadInput
from batchtui.core.results.summary import Summary
from batchtui.core.simulator.faults import Answer, Drop
from tests.conftest import KEY, PATIENCE, World

AT = datetime(2026, 11, 20, tzinfo=UTC)
M = 1_000_000


def total(**amounts: float) -> Sum:
    made = Sum()
    for name, value in amounts.items():
        setattr(made, name, value)
    return made


def measured(model: str, **amounts: float) -> Measured:
    most = Ceiling()
    most.input, most.written_1h, most.output = 3 * M, 2 * M, int(amounts["most"])
    return Measured({(model, 0, ""): total(**amounts)}, {(model, 0, "global"): most}, {model: 1})


CACHED = measured("claude-sonnet-5-5", requests=500, plain=M, first=0.4 * M, first_1h=0.1 * M, again_1h=2 * M, most=M)
"""It can cost up to 6 for input, 8 for what is written to a cache, 10 for output: 24 dollars, 12 in a batch."""


def test_without_a_past_answers_are_as_long_as_they_may_be_and_caches_are_read_as_documented() -> None:
    found = price(CACHED, Sampled(), {}, AT)
    # 2 for input, 1 for 0.4M at 2.50, 3.28 for 0.82M at 4, 0.128 for 1.28M read at 0.10, 10 for output: 16.408
    assert (found.batch_usd, found.batch_max_usd) == (pytest.approx(8.204), pytest.approx(12))
    assert found.standard_usd == pytest.approx(16.408)
    assert (found.requests, found.input_tokens, found.input_tokens_max) == (500, 3_500_000, 5_000_000)
    assert (found.output_tokens, found.output_tokens_max) == (M, M)
    assert "max_tokens" in found.how
    assert "read 30% of the time if kept for 5 minutes, 64% if for an hour" in found.how


def test_with_a_past_the_likely_price_stands_beside_the_highest() -> None:
    found = price(CACHED, Sampled(), {"claude-sonnet-5-5": Usual(200.0, 0.5, 3)}, AT)
    # 2, 1, 4.40 for 1.1M written at 4, 0.10 for 1M read at 0.10, 1 for 0.1M of output: 8.50
    assert found.batch_usd == pytest.approx(4.25)
    assert found.standard_usd == pytest.approx(8.50)
    assert found.batch_max_usd == pytest.approx(12)
    assert (found.output_tokens, found.output_tokens_max) == (100_000, M)
    assert "as in past batches" in found.how


def test_a_likely_answer_is_never_longer_than_max_tokens() -> None:
    found = price(CACHED, Sampled(), {"claude-sonnet-5-5": Usual(1e9, 0, 1)}, AT)
    assert found.output_tokens == M


def test_the_past_of_a_whole_id_speaks_for_its_alias() -> None:
    found = price(
        measured("claude-haiku-4-5", requests=10, most=1000),
        Sampled(),
        {"claude-haiku-4-5-20251001": Usual(7.0, 0, 1)},
        AT,
    )
    assert found.output_tokens == 70


def test_an_unknown_model_is_unpriced_and_never_free() -> None:
    found = price(measured("claude-novel-9", requests=1, plain=10, most=10), Sampled(), {}, AT)
    assert (found.batch_usd, found.batch_max_usd, found.standard_usd) == (None, None, None)
    assert found.unpriced == ("claude-novel-9",)


def summary(name: str, *usage: Usage) -> Summary:
    return Summary(
        batch_id="b", name=name, requests=1, counts=Counts(), sha256="", bytes=0, verified_at=AT, usage=usage
    )


def test_the_past_is_that_of_the_same_name_where_there_is_one() -> None:
    mine = summary("notes", Usage("m", Tokens(output=300, cache_read=30, cache_creation_1h=10), requests=10))
    others = summary("other", Usage("m", Tokens(output=5000), requests=10), Usage("n", Tokens(output=20), requests=4))
    assert usual([others, mine], "notes") == {"m": Usual(30.0, 0.75, 1), "n": Usual(5.0, None, 1)}
    assert usual([others, mine], "else")["m"].output == 265.0
    assert usual([summary("x", Usage("m", Tokens(), requests=0))], "x") == {}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps({"custom_id": f"r{n}", "params": row}) + "\n" for n, row in enumerate(rows)))
    return path


def params(words: int = 10, model: str = "claude-haiku-5-5", **more: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "word " * words}], **more}


def test_each_request_is_put_in_its_price_tier_and_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "rows", [params(), params(90_000), params(inference_geo="us"), params(model="other")])
    found = measure(path, {})
    assert set(found.sums) == {
        ("claude-haiku-5-5", 0, ""),
        ("claude-haiku-5-5", 100_000, ""),
        ("claude-haiku-5-5", 0, "us"),
        ("other", 0, ""),
    }
    assert found.first_seen == {"claude-haiku-5-5": 1, "other": 4}
    assert measure(path, {"claude-haiku-5-5": 0.5}).sums.keys() == found.sums.keys() - {
        ("claude-haiku-5-5", 100_000, "")
    }


def test_a_beginning_that_came_before_may_be_read_and_a_new_one_is_written(tmp_path: Path) -> None:
    system = [{"type": "text", "text": "word " * 2000, "cache_control": {"type": "ephemeral"}}]
    [found] = measure(write(tmp_path / "rows", [params(system=system)] * 4), {}).sums.values()
    assert found.again == pytest.approx(found.first * 3)
    assert found.first > 2000


def test_a_file_that_changed_meanwhile_is_said(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text('{"custom_id": "a"}\n')
    for path in (tmp_path / "rows", tmp_path / "absent"):
        with pytest.raises(BadInput):
            measure(path, {})


def test_the_sample_comes_from_all_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "rows", [params() for _ in range(1000)])
    picked = [json.loads(row.row)["custom_id"] for row in pick(path, 1000)]
    assert picked == [f"r{at}" for at in range(25, 1000, 50)]
    assert len(pick(path, 1000, 3)) == 3
    assert len(pick(write(tmp_path / "few", [params()] * 2), 2)) == 2


@pytest.fixture
async def api(world: World) -> AsyncIterator[AnthropicApi]:
    opened = AnthropicApi(
        Credentials("ANTHROPIC_API_KEY", KEY, world.url), answer_timeout=PATIENCE, idle_timeout=PATIENCE
    )
    yield opened
    await opened.close()


async def test_exact_counts_set_the_measure_right(api: AnthropicApi, world: World, tmp_path: Path) -> None:
    path = write(tmp_path / "rows", [params(500, stop_sequences=["x"], metadata={}) for _ in range(40)])
    sampled = await count(api, pick(path, 40))
    assert (sampled.counted, sampled.notes) == (20, ())
    calls = world.control.calls("count")
    assert len(calls) == 20
    [found] = measure(path, sampled.factors).sums.values()
    # The simulator counts a quarter of the bytes that it was sent.
    assert found.plain == pytest.approx(40 * (calls[0].body_bytes // 4), rel=0.001)
    assert found.plain != pytest.approx(sum(one.plain for one in measure(path, {}).sums.values()), rel=0.1)


async def test_what_the_api_would_refuse_is_told_and_the_rest_is_counted(
    api: AnthropicApi, world: World, tmp_path: Path
) -> None:
    world.control.fault("count", Answer(400, message="messages.0: no"))
    sampled = await count(api, pick(write(tmp_path / "rows", [params()] * 8), 8))
    assert sampled.counted == 7
    assert sampled.notes == ()
    [refused] = sampled.refused
    assert (refused.field, refused.message) == ("params.messages[0]", "no")


async def test_a_host_that_does_not_answer_is_asked_only_a_few_times(
    api: AnthropicApi, world: World, tmp_path: Path
) -> None:
    world.control.fault("count", Drop("before"), times=None)
    sampled = await count(api, pick(write(tmp_path / "rows", [params()] * 20), 20))
    world.control.clear_faults()
    assert (sampled.counted, sampled.factors, len(sampled.notes)) == (0, {}, 1)
    assert len(world.control.calls("count")) <= 5
