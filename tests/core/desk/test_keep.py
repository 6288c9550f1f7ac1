"""`[keep] remote_days`: the process that polls deletes the API's copies by itself, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State
from batchtui.core.clock import utc_now
from batchtui.core.desk import keep
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.results.retrieve import where
from batchtui.core.simulator.control import Preload
from batchtui.core.simulator.faults import Answer, Drop
from batchtui.core.state.store import Store
from tests.conftest import KEY

if TYPE_CHECKING:
    from tests.conftest import World

KEPT = timedelta(days=7)


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


Opened = Callable[..., Desk]


@pytest.fixture
async def opened(world: World, clock: Clock) -> AsyncIterator[Opened]:
    """Opens a desk on this state with `remote_days`, batches of which run until a test ends them."""
    world.control.settings(duration=3600)
    desks: list[Desk] = []

    def open_one(days: float | None = 7, key: str = KEY) -> Desk:
        world.home.mkdir(mode=0o700, exist_ok=True)
        (world.home / "config.toml").write_text("" if days is None else f"[keep]\nremote_days = {days}\n")
        environment = {**world.environment, "ANTHROPIC_API_KEY": key}
        desks.append(
            open_desk(world.paths, environment, command="test", interval=0.2, clock=clock, folder=world.folder)
        )
        return desks[-1]

    yield open_one
    for desk in desks:
        await desk.close()


async def retrieved(world: World, desk: Desk, name: str = "rows") -> Batch:
    batch = await desk.submit(world.rows(2, name=f"{name}.jsonl", prefix=f"{name}-"))
    world.control.finish(str(batch.id))
    return await desk.retrieve(batch.ref)


def left(world: World) -> set[str]:
    return {one.id for one in world.control.batches()}


async def test_copies_go_when_they_are_due_and_not_before(world: World, opened: Opened, clock: Clock) -> None:
    (foreign,) = world.control.preload(Preload(key=KEY, duration=0))
    desk = opened()
    batch = await retrieved(world, desk)
    clock.ahead = KEPT - timedelta(minutes=5)
    assert not (await desk.cycle()).due
    assert left(world) == {foreign, batch.id}
    clock.ahead = KEPT
    before = len(world.control.calls())
    cycle = await desk.cycle()
    assert (cycle.due, cycle.errors, cycle.api_calls) == (True, (), 1)
    assert len(world.control.calls()) == before + 1
    assert left(world) == {foreign}  # what other tools sent is none of ours
    (now,) = (await desk.snapshot()).batches
    assert (now.state, bool(now.remote_deleted_at), now.trouble) == (State.RETRIEVED, True, None)
    assert not (await desk.cycle()).due


async def test_without_the_setting_nothing_goes(world: World, opened: Opened, clock: Clock) -> None:
    desk = opened(None)
    batch = await retrieved(world, desk)
    clock.ahead = timedelta(days=28)
    assert not (await desk.cycle()).due
    assert left(world) == {batch.id}


async def test_what_is_not_here_and_unchanged_stays_at_the_api(world: World, opened: Opened, clock: Clock) -> None:
    desk = opened()
    edited, waiting = await retrieved(world, desk, "edited"), await desk.submit(world.rows(1, prefix="waiting-"))
    where(desk.paths, edited).write_bytes(b"{}\n")
    clock.ahead = KEPT
    cycle = await desk.cycle()
    assert (cycle.errors, left(world)) == ((), {edited.id, waiting.id})
    assert [one.trouble for one in (await desk.snapshot()).batches] == [None, None]
    assert world.control.calls("delete") == []


async def test_a_failure_is_tried_again_later_and_is_no_trouble(
    world: World, opened: Opened, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    desk = opened()
    for name in ("a", "b"):
        await retrieved(world, desk, name)
    clock.ahead = KEPT
    world.control.fault("delete", Drop("before"))
    with caplog.at_level("INFO"):
        cycle = await desk.cycle()
    assert (cycle.errors, cycle.blocked, len(left(world))) == ((), None, 2)
    assert len(world.control.calls("delete")) == 1  # the other would have failed as well
    assert sum("stays at the API for now" in one.message for one in caplog.records) == 2
    assert not (await desk.cycle()).due  # nothing is asked until the rest is over
    clock.ahead += keep.REST
    assert (await desk.cycle()).errors == ()
    assert left(world) == set()
    assert [one.trouble for one in (await desk.snapshot()).batches] == [None, None]


async def test_a_copy_that_went_without_an_answer_is_noted_by_a_later_cycle(
    world: World, opened: Opened, clock: Clock
) -> None:
    desk = opened()
    await retrieved(world, desk)
    clock.ahead = KEPT
    world.control.fault("delete", Drop("accepted"))
    world.control.fault("get", Drop("accepted"))
    await desk.cycle()
    assert left(world) == set()
    assert [one.remote_deleted_at for one in (await desk.snapshot()).batches] == [None]
    clock.ahead += keep.REST
    assert (await desk.cycle()).errors == ()
    assert [bool(one.remote_deleted_at) for one in (await desk.snapshot()).batches] == [True]


async def test_one_that_the_api_refuses_does_not_hold_up_the_others(world: World, opened: Opened, clock: Clock) -> None:
    desk = opened()
    first, second = await retrieved(world, desk, "first"), await retrieved(world, desk, "second")
    clock.ahead = KEPT
    world.control.fault("delete", Answer(400, "invalid_request_error"), batch_id=str(first.id))
    assert (await desk.cycle()).errors == ()
    assert left(world) == {first.id}
    assert second.id not in left(world)


async def test_one_cycle_deletes_a_bounded_number(
    world: World, opened: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "AT_ONCE", 2)
    desk = opened()
    batches = [await retrieved(world, desk, name) for name in "abc"]
    clock.ahead = KEPT
    await desk.cycle()
    assert left(world) == {batches[-1].id}  # the longest here go first
    await desk.cycle()
    assert left(world) == set()


async def test_with_another_key_nothing_is_asked(world: World, opened: Opened, clock: Clock) -> None:
    batch = await retrieved(world, opened())
    clock.ahead = KEPT
    assert (await opened(key="sk-ant-of-another-workspace").cycle()).errors == ()
    assert left(world) == {batch.id}
    assert world.control.calls("delete") == []


async def test_what_the_api_has_dropped_by_itself_is_not_asked_for(world: World, opened: Opened, clock: Clock) -> None:
    desk = opened()
    await retrieved(world, desk)
    clock.ahead = timedelta(days=30)
    assert not (await desk.cycle()).due


async def test_while_another_process_polls_it_deletes(world: World, opened: Opened, clock: Clock) -> None:
    desk, other = opened(), opened()
    batch = await retrieved(world, desk)
    with Store(world.paths).transaction() as tx:
        tx.put(replace(batch, retrieved_at=utc_now() - KEPT))
    assert await desk.poll_if_free()
    assert (await other.cycle()).polled_by is not None
    assert left(world) == {batch.id}
    await desk.cycle()
    assert left(world) == set()
