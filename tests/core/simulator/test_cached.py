"""Marked system prompts are written to the simulated cache by some requests and read by the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchtui.core.simulator.answers import answer_to
from batchtui.core.simulator.rows import read_row
from batchtui.core.simulator.world import SimulatorSettings

MARK = {"type": "ephemeral", "ttl": "1h"}


def usage(number: int, **params: Any) -> dict[str, Any]:
    row = {"model": "claude-haiku-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], **params}
    answer = answer_to(read_row(f"row-{number}", json.dumps(row).encode(), None), SimulatorSettings())
    found: dict[str, Any] = json.loads(answer)["usage"]
    return found


def system(length: int, **mark: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": "s" * length, "cache_control": {"type": "ephemeral", **mark}}]


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_most_read_what_the_others_write_and_the_whole_prompt_is_counted_once(ttl: str) -> None:
    found = [usage(number, system=system(4000, ttl=ttl)) for number in range(100)]
    reading = [one for one in found if one["cache_read_input_tokens"]]
    assert 60 < len(reading) < 95
    for one in found:
        written = one["cache_creation_input_tokens"]
        assert one["cache_creation"][f"ephemeral_{ttl}_input_tokens"] == written
        assert sum(one["cache_creation"].values()) == written
        assert one["cache_read_input_tokens"] + written == pytest.approx(1000, abs=40)
        assert 0 < one["input_tokens"] < 60


@pytest.mark.parametrize(
    "params",
    [
        {"system": system(100)},
        {"system": "s" * 4000},
        {"system": "s" * 4000, "messages": [{"role": "user", "content": system(4000)}]},
    ],
)
def test_what_is_short_or_not_marked_is_not_cached(params: dict[str, Any]) -> None:
    for number in range(20):
        found = usage(number, **params)
        assert (found["cache_read_input_tokens"], found["cache_creation_input_tokens"]) == (0, 0)
