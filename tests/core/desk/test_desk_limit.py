"""The limit, in every way that requests are sent after the first: retries, refused parts, lost answers, parts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batchtui.core.batches.batch import Submission
from batchtui.core.batches.spending import committed
from batchtui.core.desk import now_ask
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError, OverLimit, Unreachable
from batchtui.core.requests.split import Cut
from batchtui.core.simulator.faults import Answer, Drop
from tests.conftest import World


@pytest.fixture
async def desk(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(now_ask, "PAUSE", 0.01)
    world.control.settings(duration=600)
    opened = world.desk()
    yield opened
    await opened.close()


async def only(desk: Desk) -> Submission:
    [submission] = (await desk.snapshot()).submissions.values()
    return submission


async def ceiling(desk: Desk, path: Path) -> float:
    looked = await desk.examine(path, one_batch=False, offline=True)
    assert looked.whole
    assert looked.whole.batch_max_usd is not None
    return looked.whole.batch_max_usd


async def test_each_part_has_the_most_that_its_own_requests_can_cost(world: World, desk: Desk) -> None:
    """One document by its address makes one part dear, though all are of the same size."""
    path = world.rows(4)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    document = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
    rows[3]["params"]["messages"][0]["content"] = [document]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    looked = await desk.examine(path)
    first = await desk.submit(path, cut=Cut(0, 2), looked=looked)
    cheap, dear = sorted(
        one.cost.max_usd or 0 for one in (await desk.snapshot()).batches if one.submission == first.submission
    )
    assert cheap < 0.001
    assert dear > 0.25
    assert looked.whole
    assert cheap + dear == pytest.approx(looked.whole.batch_max_usd)


async def test_a_retry_counts_the_most_of_what_is_under_way_and_of_what_waits(world: World, desk: Desk) -> None:
    """The first of three parts failed; the others are likely to cost almost nothing, but may cost more."""
    path = world.rows(3)
    most = await ceiling(desk, path)
    world.control.settings(duration=600, expired=1.0)
    first = await desk.submit(path, cut=Cut(0, 1), max_cost=most)
    world.control.finish(first.id)
    await desk.cycle()
    with pytest.raises(OverLimit, match="is spent or under way"):
        await desk.retry([first.ref], max_cost=most * 0.9)
    assert len(await desk.retry([first.ref])) == 1
    batches = (await desk.snapshot()).batches
    assert committed(batches) == pytest.approx(most, rel=0.05)
    assert sum(one.cost.estimated_usd or 0 for one in batches) < most


async def test_refused_parts_are_sent_under_the_limit_of_today(world: World, desk: Desk) -> None:
    path = world.rows(4)
    most = await ceiling(desk, path)
    world.control.fault("create", Answer(400, message="Your credit balance is too low to access the Anthropic API."))
    with pytest.raises(BatchtuiError, match="credit"):
        await desk.submit(path, cut=Cut(0, 2), max_cost=most)
    [refused] = (await desk.snapshot()).batches
    with pytest.raises(OverLimit, match="4 requests not sent: with what was sent before, it can cost up to") as raised:
        await desk.retry([refused.ref], max_cost=most / 2)
    assert raised.value.hint == f"To go on: batchtui retry {refused.label} --max-cost USD"
    assert world.control.batches() == []
    assert (await only(desk)).max_cost == most
    assert len(await desk.retry([refused.ref], max_cost=most * 2)) == 2
    assert (await only(desk)).max_cost == most * 2


async def test_an_answer_that_was_lost_counts_as_if_it_was_billed(world: World, desk: Desk) -> None:
    """Without a limit it is asked for three times; under a limit only as often as that allows."""
    path = world.rows(3)
    most = 2 * await ceiling(desk, path)
    world.control.fault("message", Drop("accepted"))
    with pytest.raises(Unreachable):
        await desk.now(path, max_cost=most, parallel=1)
    assert len(world.control.calls("message")) == 1
    lost = (await only(desk)).forgotten_usd
    assert lost == pytest.approx(most / 3, rel=0.1)
    with pytest.raises(OverLimit, match="3 requests not sent") as raised:
        await desk.now(path, max_cost=most, parallel=1)
    assert raised.value.hint == f"To go on: batchtui submit {path} --now --max-cost USD"
    assert len(world.control.calls("message")) == 1
    world.control.fault("message", Drop("accepted"))
    finished = await desk.now(path, max_cost=most * 3, parallel=1)
    assert finished
    assert finished.batches[0].request_counts.succeeded == 3
    assert len(world.control.calls("message")) == 5
    assert (await only(desk)).forgotten_usd == pytest.approx(most * 2 / 3, rel=0.1)


async def test_no_limit_can_be_set_on_parts_without_a_known_cost(world: World, desk: Desk) -> None:
    path = world.rows(4)
    path.write_text(path.read_text().replace("claude-haiku-5-5", "claude-novel-9"))
    first = await desk.submit(path, cut=Cut(1, 0))
    with pytest.raises(OverLimit, match="has no known cost"):
        await desk.advance({first.submission}, max_cost=100.0)
    assert (await only(desk)).max_cost is None
