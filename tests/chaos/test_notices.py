"""Notices of real processes: killed between telling and noting it, beside others, and with nothing to ask the API."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

import pytest

from batchtui.core.batches.batch import Batch, State, Submission
from batchtui.core.requests.split import Cut
from batchtui.core.state.store import Store
from tests.conftest import KEY, World
from tests.core.notices.conftest import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def configure(world: World, receiver: Receiver, on: str = '["submitted", "ended", "retrieved", "trouble"]') -> None:
    world.home.mkdir(mode=0o700, exist_ok=True)
    (world.home / "config.toml").write_text(f'[notify]\non = {on}\nwebhook = "{receiver.url}"\n')


async def cycle_until_here(world: World, count: int) -> None:
    """Runs cycles until so many batches are retrieved."""
    async with world.desk() as desk:
        while sum(one.state is State.RETRIEVED for one in (await desk.snapshot()).batches) < count:
            await desk.cycle()
            await asyncio.sleep(0.05)


async def test_a_kill_between_telling_and_noting_it_tells_it_again_with_the_same_id(
    world: World, receiver: Receiver
) -> None:
    configure(world, receiver)
    async with world.desk() as desk:
        await desk.submit(world.rows(2))
    process = world.start("--once")

    def kills(_: BaseHTTPRequestHandler) -> None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    receiver.answers = [kills]
    await asyncio.to_thread(process.communicate)
    assert process.returncode == -signal.SIGKILL
    await cycle_until_here(world, 1)
    await cycle_until_here(world, 1)
    async with world.desk() as desk:
        await desk.cycle()
    ids = [name for name, _ in receiver.told]
    assert ids[0] == ids[1]
    assert len(set(ids[1:])) == len(ids[1:])
    assert sorted(event for _, event in receiver.told[1:]) == ["ended", "retrieved", "submitted"]
    assert all(KEY.encode() not in body for _, _, body in receiver.got)


async def test_several_at_once_on_one_state_tell_each_event_once(world: World, receiver: Receiver) -> None:
    configure(world, receiver)
    async with world.desk() as desk:
        await desk.submit(world.rows(4), cut=Cut(most=1))
    await asyncio.gather(*(cycle_until_here(world, 4) for _ in range(3)))
    async with world.desk() as desk:
        await desk.cycle()
    assert len({name for name, _ in receiver.told}) == len(receiver.told) == 12


def by_hand(world: World) -> None:
    """A batch that was retrieved since the last cycle."""
    now = datetime.now(UTC)
    retrieved = Batch(
        ref="b1",
        name="by hand",
        submission="s1",
        submitted_at=now,
        requests=1,
        state=State.RETRIEVED,
        id="msgbatch_1",
        created_at=now,
        ended_at=now,
        retrieved_at=now,
    )
    with Store(world.paths).transaction() as tx:
        tx.put(retrieved)
        tx.put_submission(Submission(ref="s1", name="by hand", created_at=now, requests=1, batches=("b1",)))


def test_a_channel_that_hangs_does_not_hold_up_a_monitor_that_is_to_end(world: World, receiver: Receiver) -> None:
    configure(world, receiver)
    by_hand(world)
    held = threading.Event()
    receiver.answers = [lambda _: held.wait(60) and None]
    process = world.start("monitor")
    assert receiver.came.wait(60)
    began = time.monotonic()
    process.terminate()
    process.communicate()
    held.set()
    assert (process.returncode, time.monotonic() - began < 5) == (0, True)


def test_what_was_done_by_hand_is_told_by_a_once_that_has_nothing_to_ask_and_imports_nothing_for_it(
    world: World, receiver: Receiver
) -> None:
    configure(world, receiver)
    by_hand(world)
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "batchtui.tui", "--once"],
        cwd=world.folder,
        env=world.environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0
    assert world.control.calls() == []
    assert [event for _, event in receiver.told] == ["submitted", "ended", "retrieved"]
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if line.startswith("import time")}
    assert "batchtui.core.notices.webhook" in imported
    assert not imported & {"anthropic", "textual", "jinja2", "apprise", "genai_prices"}
