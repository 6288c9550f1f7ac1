"""What is sent again succeeds if its cause allows it, once the batch in which it failed has ended."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from anthropic import Anthropic

from batchtui.core.simulator.control import Control

from .conftest import requests


def sent(client: Anthropic, control: Control, rows: list[Any]) -> dict[str, Any]:
    """How each request of a batch ended: its result type, or the stop reason of its answer."""
    batch = client.messages.batches.create(requests=rows)
    control.finish(batch.id)
    return {one.custom_id: one.result for one in client.messages.batches.results(batch.id)}


def kind(result: Any) -> str:
    return result.message.stop_reason if result.type == "succeeded" else result.type


def again(rows: list[Any], results: dict[str, Any], which: str, **changes: Any) -> list[Any]:
    """The rows that ended like this, with changed params."""
    return [{**row, "params": {**row["params"], **changes}} for row in rows if kind(results[row["custom_id"]]) == which]


def kinds(results: dict[str, Any]) -> Counter[str]:
    return Counter(kind(result) for result in results.values())


@pytest.mark.parametrize(("share", "ends"), [("errored", "errored"), ("expired", "expired")])
def test_a_failure_of_the_moment_has_passed(client: Anthropic, control: Control, share: str, ends: str) -> None:
    control.settings(**{share: 0.3})
    rows = requests(60)
    first = sent(client, control, rows)
    retried = again(rows, first, ends)
    assert 5 < len(retried) < 35
    assert kinds(sent(client, control, retried)) == {"end_turn": len(retried)}


def test_a_request_that_is_invalid_stays_so(client: Anthropic, control: Control) -> None:
    control.settings(errored=0.1)
    rows = requests(5, speed="fast")
    assert kinds(sent(client, control, rows)) == kinds(sent(client, control, rows)) == {"errored": 5}


def test_what_was_cut_needs_a_larger_max_tokens(client: Anthropic, control: Control) -> None:
    control.settings(cut=0.3)
    rows = requests(60)
    first = sent(client, control, rows)
    retried = again(rows, first, "max_tokens")
    assert len(retried) > 5
    assert kinds(sent(client, control, retried)) == {"max_tokens": len(retried)}
    more = again(rows, first, "max_tokens", max_tokens=2000)
    assert kinds(sent(client, control, more)) == {"end_turn": len(more)}


def test_what_was_refused_needs_another_model(client: Anthropic, control: Control) -> None:
    control.settings(refused=0.3)
    rows = requests(60)
    first = sent(client, control, rows)
    retried = again(rows, first, "refusal")
    assert len(retried) > 5
    assert kinds(sent(client, control, retried)) == {"refusal": len(retried)}
    other = again(rows, first, "refusal", model="claude-sonnet-5-5")
    assert kinds(sent(client, control, other)) == {"end_turn": len(other)}


def test_a_paused_turn_goes_on_when_its_content_is_sent_back(client: Anthropic, control: Control) -> None:
    control.settings(paused=0.3)
    rows = requests(60, tools=[{"type": "web_search_20260318", "name": "web_search"}])
    first = sent(client, control, rows)
    retried = again(rows, first, "pause_turn")
    assert len(retried) > 5
    assert kinds(sent(client, control, retried)) == {"pause_turn": len(retried)}
    for row in retried:
        content = json.loads(first[row["custom_id"]].message.to_json())["content"]
        row["params"]["messages"] = [*row["params"]["messages"], {"role": "assistant", "content": content}]
    second = sent(client, control, retried)
    assert kinds(second) == {"end_turn": len(retried)}
    for row in retried:
        question = row["params"]["messages"][0]["content"]
        assert second[row["custom_id"]].message.content[0].text.startswith(f"Simulated answer to: {question}\n")


def test_an_unfit_answer_may_fit_the_next_time(client: Anthropic, control: Control) -> None:
    control.settings(unfit=1.0)
    rows = requests(4)
    assert all(not result.message.content for result in sent(client, control, rows).values())
    control.settings(unfit=0.9)
    assert any(not result.message.content for result in sent(client, control, rows).values())
    assert all(result.message.content for result in sent(client, control, rows).values())


def test_a_share_of_1_holds_for_every_attempt(client: Anthropic, control: Control) -> None:
    control.settings(errored=1.0)
    rows = requests(4)
    assert kinds(sent(client, control, rows)) == kinds(sent(client, control, rows)) == {"errored": 4}


def test_a_copy_that_is_sent_before_the_first_has_ended_is_no_retry(client: Anthropic, control: Control) -> None:
    control.settings(errored=0.3)
    rows = requests(60)
    first, second = (client.messages.batches.create(requests=rows) for _ in range(2))
    for batch in (first, second):
        control.finish(batch.id)
    counted = [client.messages.batches.retrieve(batch.id).request_counts for batch in (first, second)]
    assert counted[0] == counted[1]
    assert counted[0].errored > 5


def test_another_key_has_its_own_failures(client: Anthropic, control: Control) -> None:
    control.settings(errored=0.3)
    rows = requests(60)
    first = sent(client, control, rows)
    other = sent(client.with_options(api_key="sk-ant-test-0002"), control, rows)
    assert kinds(first) == kinds(other)


def test_requests_end_as_they_are_told_and_what_is_sent_again_may_succeed(client: Anthropic, control: Control) -> None:
    rows = requests(10)
    ends = {"row-0": "cut", "row-1": "refused", "row-2": "paused", "row-3": "failed", "row-4": "expired"}
    for name, ending in ends.items():
        control.tell(ending, name)
    control.tell("unfit", "row-5", "row-6")
    first = sent(client, control, rows)
    assert kinds(first) == {
        "max_tokens": 1,
        "refusal": 1,
        "pause_turn": 1,
        "errored": 1,
        "expired": 1,
        "end_turn": 5,
    }
    empty = {name for name, result in first.items() if kind(result) == "end_turn" and not result.message.content}
    assert empty == {"row-5", "row-6"}
    second = sent(client, control, rows)
    assert kinds(second) == {"max_tokens": 1, "refusal": 1, "pause_turn": 1, "end_turn": 7}
    with pytest.raises(ValueError, match="nonsense"):
        control.tell("nonsense", "row-9")
