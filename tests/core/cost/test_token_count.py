"""Counts of a few rows: what the API refuses there it would refuse in the batch; what else goes wrong is only noted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from batchtui.core.desk.desk import Desk
from batchtui.core.simulator.faults import Answer
from tests.conftest import World

SAID = "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum"


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    opened = world.desk()
    yield opened
    await opened.close()


async def test_a_row_that_the_api_refuses_is_a_problem_with_its_line_and_place(desk: Desk, world: World) -> None:
    world.control.fault("count", Answer(400, "invalid_request_error", SAID), times=1)
    looked = await desk.examine(world.rows(60))
    assert len(world.control.calls("count")) == 20, "counting goes on"
    [problem] = looked.checked.problems
    assert (problem.kind, problem.field) == ("refused", "params.messages[0].content[1].image.source.base64")
    assert "image exceeds 5 MB maximum" in problem.message
    assert problem.line in range(1, 61)
    assert problem.where == f"line {problem.line}"
    assert looked.estimate is None


OTHERS = [
    Answer(429, "rate_limit_error", "slow down"),
    Answer(529, "overloaded_error", "busy"),
    Answer(500, "api_error", "broken"),
    Answer(502, body="<html>bad gateway</html>"),
    Answer(400, body="<html>blocked by the firewall</html>"),
    Answer(400, "invalid_request_error", "Your credit balance is too low to access the API."),
]


@pytest.mark.parametrize("answer", OTHERS, ids=[f"{one.status}-{n}" for n, one in enumerate(OTHERS)])
async def test_counting_goes_on_after_any_other_answer_which_is_noted(desk: Desk, world: World, answer: Answer) -> None:
    world.control.fault("count", answer, times=3)
    looked = await desk.examine(world.rows(60))
    assert looked.checked.ok
    assert looked.estimate
    assert "exact count of 17 requests" in looked.estimate.how
    assert ["not available" in note for note in looked.notes] == [True]


async def test_a_refused_key_ends_the_counting(desk: Desk, world: World) -> None:
    world.control.fault("count", Answer(401, "authentication_error", "invalid x-api-key"), times=None)
    looked = await desk.examine(world.rows(60))
    assert looked.checked.ok
    assert len(world.control.calls("count")) <= 5
    assert any("not available" in note for note in looked.notes)


async def test_a_row_that_is_longer_than_its_model_reads_is_a_problem(desk: Desk, world: World) -> None:
    path = world.rows(3)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[1]["params"]["messages"][0]["content"] = "word " * 190_000
    path.write_text("\n".join(map(json.dumps, rows)))
    [problem] = (await desk.examine(path)).checked.problems
    assert (problem.line, problem.field, problem.kind) == (2, "params.messages", "model")
    assert "reads at most 200,000" in problem.message
