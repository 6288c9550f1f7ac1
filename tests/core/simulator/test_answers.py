"""How requests end, and what their result lines contain."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta

from anthropic import Anthropic

from batchtui.core.batches.remote import Counts, ProcessingStatus
from batchtui.core.simulator.answers import chunks, lines
from batchtui.core.simulator.control import Control
from batchtui.core.simulator.judge import Judge
from batchtui.core.simulator.life import cancel, counts, status, tally
from batchtui.core.simulator.rules import read_create
from batchtui.core.simulator.world import Made, SimulatorSettings, Stored, World

from .conftest import requests

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def made(count: int, *, hours: float = 1, **settings: float) -> Stored:
    world = World(SimulatorSettings(duration=hours * 3600, **settings))  # type: ignore[arg-type]
    return world.add("w", Made(count, "row-"), BEGAN)


def results(batch: Stored) -> list[dict[str, dict[str, object]]]:
    return [json.loads(line) for line in lines(batch, {})]


def test_the_shares_of_failures_are_kept_and_the_counts_agree_with_the_lines() -> None:
    batch = made(5000, errored=0.2, expired=0.1, refused=0.05)
    kinds = Counter(line["result"]["type"] for line in results(batch))
    assert abs(kinds["errored"] - 1000) < 120
    assert abs(kinds["expired"] - 500) < 90
    assert tally(batch) == Counts(
        succeeded=kinds["succeeded"], errored=kinds["errored"], expired=kinds["expired"], canceled=0
    )
    refused = sum(1 for line in results(batch) if '"stop_reason": "refusal"' in json.dumps(line))
    assert abs(refused - 250) < 70


def test_the_same_custom_id_always_ends_the_same_way() -> None:
    first, second = made(300, errored=0.3), made(300, errored=0.3)
    assert list(lines(first, {})) == list(lines(second, {}))


def test_what_is_not_done_after_24_hours_expires() -> None:
    batch = made(1000, hours=48)
    assert status(batch, BEGAN + timedelta(hours=24)) is ProcessingStatus.ENDED
    ended = counts(batch, BEGAN + timedelta(hours=24))
    assert abs(ended.expired - 500) < 80
    assert ended.succeeded + ended.expired == 1000


def test_a_cancel_takes_a_tenth_of_the_duration() -> None:
    batch = made(10)
    asked = BEGAN + timedelta(minutes=30)
    cancel(batch, asked)
    assert status(batch, asked + timedelta(minutes=5)) is ProcessingStatus.CANCELING
    assert status(batch, asked + timedelta(minutes=6)) is ProcessingStatus.ENDED


def test_a_batch_lasts_by_its_size_and_the_speed() -> None:
    batch = World(SimulatorSettings(speed=60)).add("w", Made(500, "row-"), BEGAN)
    assert batch.duration == timedelta(seconds=2)


def test_an_answer_is_as_short_as_max_tokens_asks_for(client: Anthropic, control: Control) -> None:
    batch = client.messages.batches.create(requests=requests(5, max_tokens=10))
    control.finish(batch.id)
    for one in client.messages.batches.results(batch.id):
        assert one.result.type == "succeeded"
        message = one.result.message
        assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 10)


def test_a_refusal_is_a_success_without_content(client: Anthropic, control: Control) -> None:
    control.settings(refused=1.0)
    batch = client.messages.batches.create(requests=requests(1))
    control.finish(batch.id)
    [one] = client.messages.batches.results(batch.id)
    assert one.result.type == "succeeded"
    assert (one.result.message.stop_reason, one.result.message.content) == ("refusal", [])


def test_hostile_prompts_come_back_as_they_were() -> None:
    prompt = '\x1b]0;x\x07 [red]\u202e =cmd() \u2028 "quoted" \\ \'end'
    rows = read_create(
        json.dumps({"requests": requests(1, messages=[{"role": "user", "content": prompt}])}).encode(), Judge(BEGAN)
    )
    batch = World(SimulatorSettings()).add("w", rows, BEGAN)
    [line] = lines(batch, {})
    assert line.count(b"\n") == 1
    assert prompt in json.loads(line)["result"]["message"]["content"][0]["text"]


def test_results_are_made_as_they_are_read() -> None:
    batch = World(SimulatorSettings(answer_chars=2000)).add("w", Made(6000, "row-").rows(), BEGAN)
    size = sum(len(chunk) for chunk in chunks(lines(batch, {})))
    tracemalloc.start()
    assert sum(len(chunk) for chunk in chunks(lines(batch, {}))) == size
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 6_000_000
    assert peak < size / 5
