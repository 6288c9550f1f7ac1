"""Looks at the API that fail: what is shown, what is kept, and that one failure does not affect other batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.errors import NO_KEY, OK, UNREACHABLE, NoKey, NotFound
from batchtui.core.logs import log
from batchtui.core.simulator.control import Preload
from batchtui.core.simulator.faults import Answer, Call, Drop, Fault, Stall
from tests.conftest import KEY, PATIENCE, World

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
async def desk(world: World, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    world.control.settings(duration=600)
    stalls = "stalled" in request.node.name
    opened = world.desk(idle_timeout=3 if stalls else PATIENCE)
    yield opened
    await opened.close()


async def _submit(desk: Desk, world: World, count: int) -> list[Batch]:
    return [await desk.submit(world.rows(2 + number, f"rows-{number}.jsonl")) for number in range(count)]


async def _rows(desk: Desk) -> dict[str, Batch]:
    return {one.ref: one for one in (await desk.snapshot()).batches}


async def _kept(desk: Desk) -> list[Batch]:
    """What a look must leave as it is. That a batch was submitted is told by any cycle, and noted on it."""
    return [replace(one, told=(), revision=0) for one in (await desk.snapshot()).batches]


FAILING: dict[str, Fault] = {
    "429": Answer(429, headers={"retry-after": "17"}),
    "500": Answer(500),
    "529": Answer(529),
    "a sign-in page": Answer(200, body="<html>", content_type="text/html"),
    "wrong JSON": Answer(200, body='{"data":[{"id":"x"}]}'),
    "closed": Drop("before"),
    "stalled": Stall("before", 600),
    "half of it": Drop("mid_answer"),
}


@pytest.mark.parametrize("count", [1, 2], ids=["one batch", "two batches"])
@pytest.mark.parametrize("fault", FAILING.values(), ids=FAILING)
async def test_a_look_that_fails_changes_nothing_and_says_that_the_api_is_out_of_reach(
    desk: Desk, world: World, fault: Fault, count: int
) -> None:
    await _submit(desk, world, count)
    before = await _kept(desk)
    call: Call = "list" if count > 1 else "get"
    world.control.fault(call, fault)
    cycle = await desk.cycle()
    assert cycle.offline
    assert cycle.blocked
    assert cycle.blocked.exit_code == UNREACHABLE
    assert [(error.batch, error.message) for error in cycle.errors] == [(None, cycle.blocked.message)]
    assert cycle.api_calls == 1
    assert await _kept(desk) == before
    poller = await desk.poller()
    assert poller
    assert (poller.failing, poller.looked_at) == (cycle.blocked.message, None)
    if fault == FAILING["429"]:
        assert (cycle.retry_after, desk.next_delay(cycle, await desk.snapshot())) == (17.0, 17.0)

    assert not (await desk.cycle()).errors


async def test_the_pause_after_a_failure_grows(world: World) -> None:
    world.control.settings(duration=600)
    desk = world.desk(interval=None)
    try:
        await _submit(desk, world, 1)
        world.control.fault("get", Answer(500), times=8)
        pauses = [desk.next_delay(await desk.cycle(), await desk.snapshot()) for _ in range(8)]
        assert pauses[:6] == sorted(pauses[:6])
        assert 300 < pauses[-1] <= 600
        assert desk.next_delay(await desk.cycle(), await desk.snapshot()) <= 30
    finally:
        await desk.close()


async def test_one_process_after_the_other_says_an_outage_once_in_the_log(world: World) -> None:
    """A loop of --once in cron: each is a new process, and a person greps for ERROR."""
    world.control.settings(duration=600)
    async with world.desk() as desk:
        await _submit(desk, world, 1)
    try:
        for fails in (True, True, True, False, False):
            if fails:
                world.control.fault("get", Answer(500))
            async with world.desk("batchtui --once") as desk:
                desk.write_log()
                await desk.cycle()
        lines = [line.split(" ", 3) for line in world.paths.log_file.read_text().splitlines()]
    finally:
        for handler in log.handlers[:]:
            log.removeHandler(handler)
            handler.close()
    assert [said for _, level, _, said in lines if level == "ERROR"] == [
        "looks fail: The API failed: This error was requested. (500). Nothing is lost; the next poll tries again."
    ]
    (back,) = [said for *_, said in lines if said.startswith("looks work again")]
    assert back.endswith(", 3 looks")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_stops_the_cycle_with_its_own_exit_code(desk: Desk, world: World, status: int) -> None:
    await _submit(desk, world, 2)
    before = await _kept(desk)
    world.control.fault("list", Answer(status))
    cycle = await desk.cycle()
    assert isinstance(cycle.blocked, NoKey)
    assert not cycle.offline
    assert cycle.blocked.exit_code == NO_KEY
    assert await _kept(desk) == before


async def test_one_404_of_a_known_batch_is_trouble_and_not_its_end(desk: Desk, world: World) -> None:
    one, other = await _submit(desk, world, 2)
    assert not (await desk.cycle()).errors
    for call in ("list", "get"):  # neither of them shows it
        world.control.fault(call, Answer(404) if call == "get" else Answer(200, body='{"data":[],"has_more":false}'))
    cycle = await desk.cycle()
    rows = await _rows(desk)
    [(ref, trouble)] = [(ref, row.trouble) for ref, row in rows.items() if row.trouble]
    assert [error.batch for error in cycle.errors] == [ref]
    assert "does not know it" in trouble.message
    assert {rows[one.ref].state, rows[other.ref].state} == {State.IN_PROGRESS}
    assert not cycle.blocked
    assert not (await desk.cycle()).errors
    assert not any(row.trouble for row in (await _rows(desk)).values())


async def test_a_batch_that_fails_alone_spoils_no_other(desk: Desk, world: World) -> None:
    """Old ones are fetched one by one if the list would take many pages to reach them."""
    old = world.control.preload(
        Preload(key=KEY, count=2, created_at=datetime.now(UTC) - timedelta(hours=1), duration=7200)
    )
    adopted = [await desk.adopt(one) for one in old]
    for one in old:
        world.control.finish(one)
    world.control.fault("list", Answer(200, body='{"data":[],"has_more":false}'))
    world.control.fault("get", Answer(404), batch_id=old[0])
    cycle = await desk.cycle()
    assert cycle.retrieved == (old[1],)
    assert [error.batch for error in cycle.errors] == [adopted[0].ref]
    assert (await desk.cycle()).retrieved == (old[0],)


async def test_an_archived_batch_is_gone(desk: Desk, world: World) -> None:
    one, other = await _submit(desk, world, 2)
    for batch in (one, other):
        world.control.finish(str(batch.id))
    world.control.fault("results", Answer(500), times=2)
    await desk.cycle()
    assert {row.state for row in (await _rows(desk)).values()} == {State.ENDED}
    world.control.archive(str(one.id))
    cycle = await desk.cycle()
    assert cycle.retrieved == (other.id,)
    row = (await _rows(desk))[one.ref]
    assert row.state is State.GONE
    assert row.trouble
    assert (await desk.cycle()).api_calls == 0


async def test_a_batch_that_was_archived_before_it_was_looked_at_is_gone_without_a_download(
    desk: Desk, world: World
) -> None:
    [batch] = await _submit(desk, world, 1)
    world.control.finish(str(batch.id))
    world.control.archive(str(batch.id))
    await desk.cycle()
    assert (await _rows(desk))[batch.ref].state is State.GONE
    assert not world.control.calls("results")


@pytest.mark.parametrize(
    ("days", "theirs", "left"),
    [(28, 28, State.ENDED), (30, 30, State.GONE), (3000, 0, State.ENDED), (30, 1, State.ENDED)],
)
async def test_a_404_of_results_is_for_good_only_past_their_29_days(
    world: World, days: int, theirs: int, left: State
) -> None:
    """By both clocks: one of ours that was set years ahead makes nothing expire."""
    desk = world.desk()
    try:
        [batch] = await _submit(desk, world, 1)
        world.control.finish(str(batch.id))
        world.control.fault("results", Answer(500))
        await desk.cycle()
    finally:
        await desk.close()
    world.control.settings(clock_offset=theirs * 86400)
    world.control.fault("results", Answer(404))
    world.control.fault("get", Answer(500), times=None)
    later = open_desk(
        world.paths,
        world.environment,
        command="batchtui --once",
        clock=lambda: datetime.now(UTC) + timedelta(days=days),
    )
    try:
        await later.cycle()
        assert (await _rows(later))[batch.ref].state is left
    finally:
        await later.close()


async def test_an_id_that_nobody_knows_is_said_to_be_unknown(desk: Desk) -> None:
    with pytest.raises(NotFound, match="does not know it"):
        await desk.adopt("msgbatch_01unknown")
    assert not (await desk.snapshot()).batches


async def test_once_offline_ends_with_its_code_and_shows_what_was_saved(desk: Desk, world: World) -> None:
    [batch] = await _submit(desk, world, 1)
    world.url = NOBODY
    code, said = await asyncio.to_thread(world.once)
    assert code == UNREACHABLE
    assert [(one["id"], one["state"], one["trouble"]) for one in said["batches"]] == [(batch.id, "in_progress", None)]
    assert "could not be reached" in said["errors"][0]["message"]


async def test_once_beside_a_process_that_polls_says_who_and_shows_the_state(desk: Desk, world: World) -> None:
    [batch] = await _submit(desk, world, 1)
    world.control.finish(str(batch.id))
    assert await desk.poll_if_free()
    await desk.poked()  # by the submit
    once = asyncio.create_task(asyncio.to_thread(world.once))
    while not once.done():
        if await desk.poked():
            await desk.cycle()
        await asyncio.sleep(0.05)
    code, said = await once
    assert code == OK
    assert said["polled_by"]["command"] == "batchtui test"
    assert said["api_calls"] == 0
    assert [(one["id"], one["state"]) for one in said["batches"]] == [(batch.id, "retrieved")]
    assert len(world.control.calls("results")) == 1
