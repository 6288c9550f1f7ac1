"""Submitting by a real process that is killed midway, and what the next process does about it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from batchtui.core.batches.batch import Batch, State
from batchtui.core.errors import NEEDS_PERSON, OK
from batchtui.core.simulator.faults import Answer, Stall
from batchtui.core.state.store import Store
from tests.conftest import PATIENCE, World, until

_RUN = "import sys; from batchtui.tui.cli.main import run; sys.exit(run(sys.argv[1:]))"
LOOKS_ONCE = "from batchtui.core.sending import send; send._SETTLE_AFTER = (0.0,)"
DIES_ONCE_ANSWERED = """
import os, signal
from batchtui.core.sending import send
send.observe = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def lasting(world: World) -> None:
    world.control.settings(duration=600)


def _start(world: World, first: str, *arguments: str) -> subprocess.Popen[str]:
    """The command line, run after a statement that changes it."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{first}\n{_RUN}", *arguments],
        cwd=world.folder,
        env=world.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def _saved(world: World) -> tuple[Batch, ...]:
    return Store(world.paths).snapshot().batches


def test_killed_right_after_the_post_the_next_once_knows_the_batch(world: World) -> None:
    world.control.fault("create", Stall("accepted", 600))
    process = _start(world, "", "submit", str(world.rows()))
    [call] = world.control.wait_for_calls("create", 1)
    until(world.control.batches)
    _kill(process)
    assert [one.state for one in _saved(world)] == [State.SUBMITTING]

    code, said = world.once()
    [known] = said["batches"]
    [made] = world.control.batches()
    assert (code, known["id"], known["state"]) == (OK, made.id, "in_progress")
    assert not said["errors"]
    assert len(world.control.calls("create")) == 1
    assert call.retry_count == 0


async def test_killed_between_the_answer_and_its_saving_the_next_cycle_knows_the_batch(world: World) -> None:
    process = _start(world, DIES_ONCE_ANSWERED, "submit", str(world.rows()))
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    assert [(one.state, one.id) for one in _saved(world)] == [(State.SUBMITTING, None)]

    desk = world.desk()
    try:
        assert not (await desk.cycle()).errors
    finally:
        await desk.close()
    assert [(one.state, one.id) for one in _saved(world)] == [(State.IN_PROGRESS, world.control.batches()[0].id)]
    assert len(world.control.calls("create")) == 1


def test_killed_before_the_post_nothing_was_sent_and_nothing_is_under_way(world: World) -> None:
    world.control.fault("list", Stall("before", 600))
    process = _start(world, "", "submit", str(world.rows()))
    world.control.wait_for_calls("list", 1)
    _kill(process)
    world.control.clear_faults()
    assert not _saved(world)
    code, said = world.once()
    assert (code, said["batches"], said["api_calls"]) == (OK, [], 0)
    assert not world.control.calls("create")


async def test_killed_while_the_body_was_on_its_way_waits_for_a_person(world: World) -> None:
    world.control.fault("create", Stall("before", 600))
    process = _start(world, "", "submit", str(world.rows()))
    world.control.wait_for_calls("create", 1)
    _kill(process)
    world.control.clear_faults()

    desk = world.desk()
    try:
        for _ in range(2):
            assert not (await desk.cycle()).errors
    finally:
        await desk.close()
    assert [one.state for one in _saved(world)] == [State.UNCONFIRMED]
    assert len(world.control.calls("create")) == 1
    assert not world.control.batches()


def test_nothing_found_ends_submit_and_once_with_the_code_that_asks_for_a_person(world: World) -> None:
    world.control.fault("create", Answer(500))
    process = _start(world, LOOKS_ONCE, "submit", str(world.rows()))
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == NEEDS_PERSON
    assert "It is not known whether the API accepted the batch" in said

    once = world.run("--once")
    assert once.returncode == NEEDS_PERSON
    assert "unconfirmed" in once.stdout
    assert " is unconfirmed. " in once.stderr
    assert len(world.control.calls("create")) == 1
    assert not world.control.batches()
