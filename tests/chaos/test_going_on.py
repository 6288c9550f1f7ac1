"""What follows answers if it is cut short or the clock is changed: each output is done once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.lock import Lock
from batchtui.core.sending import send as sending
from tests.conftest import PATIENCE, World, until

JOB = """
name = "notes"

[source]
path = "rows.csv"
key = "{{ number }}"

[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ number }}"

[[output]]
kind = "command"
command = ["sh", "-c", "PROGRAM"]
"""


class Clock:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.set_by = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.set_by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def desk(world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(sending, "_SETTLE_AFTER", ())
    world.control.settings(duration=600)
    opened = open_desk(world.paths, world.environment, command="test", clock=clock, folder=world.folder)
    yield opened
    await opened.close()


def job(world: World, program: str) -> Path:
    (world.folder / "rows.csv").write_text("number\n1\n2\n")
    path = world.folder / "notes.toml"
    path.write_text(JOB.replace("PROGRAM", program))
    return path


async def submitted(desk: Desk, path: Path) -> None:
    """As a person who read what the job does, and agrees."""
    await desk.submit(path, looked=await desk.examine(path, offline=True))


def finish_all(world: World) -> None:
    for one in world.control.batches():
        world.control.finish(one.id)


async def test_a_program_that_runs_while_somebody_leaves_is_run_once(world: World, desk: Desk) -> None:
    begun, go = world.folder / "begun", world.folder / "go"
    await submitted(desk, job(world, f"echo once >> {begun}; until [ -e {go} ]; do sleep 0.05; done"))
    finish_all(world)
    cycle = asyncio.create_task(desk.cycle())
    await asyncio.to_thread(until, begun.exists)
    cycle.cancel()
    await asyncio.wait({cycle}, timeout=0.5)
    free = Lock(world.paths.outputs_lock).try_acquire()
    go.touch()
    with pytest.raises(asyncio.CancelledError):
        await cycle
    await desk.cycle()
    assert (begun.read_text(), free) == ("once\n", False)


async def test_a_clock_that_is_set_back_runs_no_output_again(world: World, desk: Desk, clock: Clock) -> None:
    ran = world.folder / "ran"
    await submitted(desk, job(world, f"echo once >> {ran}"))
    finish_all(world)
    [batch] = (await desk.snapshot()).batches
    clock.set_by = timedelta(hours=3)
    await desk.retrieve(batch.ref)
    clock.set_by = timedelta()
    for _ in range(3):
        await desk.advance(())
    assert ran.read_text() == "once\n"


@pytest.mark.parametrize("command", ["--once", "monitor"])
def test_a_second_interrupt_ends_the_program_that_the_first_waits_for(world: World, command: str) -> None:
    world.control.settings(duration=600)
    job(world, "echo $$ > number; mv number pid; exec sleep 600")
    assert world.run("submit", "notes.toml", "--yes").returncode == 0
    finish_all(world)
    process = world.start(command, start_new_session=True)
    assert process.stderr
    pid = world.folder / "pid"
    until(pid.exists)
    process.send_signal(signal.SIGINT)
    said = ""
    while "Ctrl-C again to leave at once" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    shown = world.run("show", "notes", "--json").stdout
    assert json.loads(shown)["batch"]["outputs"] == []
