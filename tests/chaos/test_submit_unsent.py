"""A body that certainly never reached the server whole: it may be sent again, and in the end there is one batch."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from batchtui.core.batches.batch import State
from batchtui.core.errors import UNREACHABLE, BatchtuiError, NotSent
from batchtui.core.lock import Lock
from batchtui.core.sending import send as sending
from batchtui.core.simulator.faults import Answer, Drop, Fault, Stall
from tests.conftest import PATIENCE, World, until


@pytest.fixture(autouse=True)
def impatient(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_PAUSES", (0.05, 0.1))
    world.control.settings(duration=600)


def _large(folder: Path) -> Path:
    """24 requests of 1 MB: far more than the buffers between two processes can hold."""
    path = folder / "large.jsonl"
    message = {"role": "user", "content": "x" * 1_000_000}
    params = {"model": "claude-haiku-5-5", "max_tokens": 9, "messages": [message]}
    with path.open("w") as file:
        for number in range(24):
            file.write(json.dumps({"custom_id": f"large-{number}", "params": params}) + "\n")
    return path


CUT_OFF: dict[str, Fault] = {
    "closed before the body": Drop("before"),
    "reset before the body": Drop("before", reset=True),
    "closed in the body": Drop("mid_request", after_bytes=5_000_000),
    "reset in the body": Drop("mid_request", after_bytes=5_000_000, reset=True),
    "not read": Stall("before", 600),
}


@pytest.mark.parametrize("fault", CUT_OFF.values(), ids=CUT_OFF)
async def test_a_body_that_was_cut_off_is_sent_again_and_makes_one_batch(world: World, fault: Fault) -> None:
    world.control.fault("create", fault)
    desk = world.desk(idle_timeout=3 if isinstance(fault, Stall) else PATIENCE)
    try:
        batch = await desk.submit(_large(world.folder))
        first, second = world.control.calls("create")
        assert (first.complete, first.accepted, second.accepted) == (False, None, batch.id)
        assert [one.id for one in world.control.batches()] == [batch.id]
        assert [(one.id, one.state, one.doubtful) for one in (await desk.snapshot()).batches] == [
            (batch.id, State.IN_PROGRESS, False)
        ]
    finally:
        await desk.close()


async def test_a_body_that_never_gets_through_leaves_nothing_and_can_be_submitted_later(world: World) -> None:
    world.control.fault("create", Drop("mid_request", after_bytes=1_000_000), times=3)
    rows = _large(world.folder)
    desk = world.desk()
    try:
        with pytest.raises(NotSent) as raised:
            await desk.submit(rows)
        assert raised.value.exit_code == UNREACHABLE
        assert not (await desk.snapshot()).batches
        assert not list(world.paths.requests.iterdir())
        assert len(world.control.calls("create")) == 3
        batch = await desk.submit(rows)
        assert [one.id for one in world.control.batches()] == [batch.id]
    finally:
        await desk.close()


async def test_one_that_is_given_up_while_another_is_being_sent_leaves_the_way_free(world: World) -> None:
    ahead = Lock(world.paths.submit_lock)
    ahead.acquire(1)
    desk = world.desk()
    try:
        waiting = asyncio.create_task(desk.submit(world.rows()))
        await desk.prepare()
        await asyncio.sleep(0.3)
        waiting.cancel()
        [outcome] = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError)
        ahead.release()
        await asyncio.sleep(0.3)
        await asyncio.to_thread(until, ahead.try_acquire)
        assert not world.control.calls("create")
    finally:
        ahead.release()
        await desk.close()


REFUSED = {429: [], 401: [], 403: [], 400: [State.REJECTED], 404: [State.REJECTED], 413: [State.REJECTED]}


@pytest.mark.parametrize(("status", "left"), REFUSED.items())
async def test_a_clear_refusal_is_not_sent_again_and_is_never_looked_for(
    world: World, status: int, left: list[State]
) -> None:
    world.control.fault("create", Answer(status))
    desk = world.desk()
    try:
        with pytest.raises(BatchtuiError, match=r"This error was requested\."):
            await desk.submit(world.rows())
        assert [one.state for one in (await desk.snapshot()).batches] == left
        assert (await desk.cycle()).api_calls == 0
        assert len(world.control.calls("create")) == 1
        again = await desk.submit(world.rows())
        assert [one.id for one in world.control.batches()] == [again.id]
    finally:
        await desk.close()
