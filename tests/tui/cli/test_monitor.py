"""`monitor` repeats what `--once` does until it is stopped, and `examples` writes jobs that run."""

import asyncio
import json
import signal
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import State, Trouble
from batchtui.core.clock import utc_now
from batchtui.core.desk.cycle import Cycle
from batchtui.core.simulator.faults import Answer, Stall
from batchtui.core.state.poller import Poller
from batchtui.core.state.store import Store
from batchtui.tui.cli.monitor import _Shown
from batchtui.tui.cli.once import _ask_poller
from tests.conftest import PATIENCE, World, until


async def test_monitor_retrieves_what_ends_and_stops_on_a_signal(world: World) -> None:
    desk = world.desk()
    batch = await desk.submit(world.rows())
    await desk.close()
    process = world.start("monitor", "--interval", "0.3")
    looking = world.desk("the test")
    assert process.stdout
    seen = ""
    while f"{batch.id} · retrieved · 5 of 5" not in seen:
        seen = await asyncio.to_thread(process.stdout.readline)
        assert seen, process.communicate()
    assert (await looking.find(batch.ref)).state is State.RETRIEVED
    poller = await looking.poller()
    assert poller
    assert (poller.pid, poller.command) == (process.pid, "batchtui monitor")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert await looking.poller() is None
    await looking.close()


async def test_a_line_comes_when_something_changed_and_who_polls_is_said(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world.desk() as desk:
        batch = await desk.submit(world.rows())
        lines: list[str] = []
        shown = _Shown(lines.append)
        for second in range(3):  # the same trouble, once more
            trouble = Trouble("The disk is full.", "Free some space.", utc_now() + timedelta(seconds=second))
            with Store(world.paths).transaction() as tx:
                tx.put(replace(batch, trouble=trouble))
            await shown.tell(desk, Cycle())
        assert [line.count("The disk is full.") for line in lines] == [1]
        other = Poller(pid=7, host="here", command="batchtui monitor", since=utc_now())
        for cycle in (Cycle(polled_by=other), Cycle(polled_by=other), Cycle()):
            await shown.tell(desk, cycle)
        waits, polls = capsys.readouterr().err.splitlines()
        assert waits.endswith(" polls. This one waits to take over.")
        assert polls == "This one polls from now on."


async def test_once_fails_with_the_looks_of_the_one_that_polls(world: World) -> None:
    """Nobody looks at the batches then: cron must not take that for success."""
    world.control.settings(duration=3600)
    async with world.desk() as poller, world.desk() as asking:
        await poller.submit(world.rows(1))
        world.control.fault("any", Answer(401), times=None)
        assert (await poller.cycle()).blocked
        cycle = await _ask_poller(asking, await asking.cycle())
    assert [(one.error.code, one.error.exit_code) for one in cycle.errors] == [("no_key", 5)]
    assert "polls, but its last look failed" in cycle.errors[0].message


def test_examples_are_listed_and_written_and_checked(world: World, tmp_path: Path) -> None:
    listed = world.run("examples")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["round_notes", "sentiment"]
    written = world.run("examples", "round_notes", "--to", str(tmp_path / "jobs"))
    job = Path(written.stdout.strip())
    assert job == tmp_path / "jobs" / "round_notes" / "round_notes.toml"
    checked = world.run("check", "--offline", str(job))
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("32 requests")
    again = world.run("examples", "round_notes", "--to", str(tmp_path / "jobs"))
    assert again.returncode == 1
    assert "already exists" in again.stderr


def test_examples_are_listed_and_written_for_scripts_too(world: World, tmp_path: Path) -> None:
    listed = json.loads(world.run("examples", "sentiment", "--json").stdout)
    assert [one["name"] for one in listed["examples"]] == ["sentiment"]
    written = json.loads(world.run("examples", "--to", str(tmp_path), "--json").stdout)["written"]
    assert [Path(one).name for one in written] == ["round_notes.toml", "sentiment.toml"]
    for place in ([], ["--to", str(tmp_path / "other")]):
        refused = world.run("examples", "nope", *place, "--json")
        [error] = json.loads(refused.stdout)["errors"]
        assert (refused.returncode, error["message"]) == (1, "There is no example nope.")
    assert not (tmp_path / "other").exists()


def polls(world: World) -> bool:
    """Whether a process polls and has looked at least once."""
    with suppress(FileNotFoundError):
        return json.loads(world.paths.poller.read_bytes())["looked_at"] is not None
    return False


def test_a_process_that_polls_and_is_stopped_is_said_and_not_taken_for_one_that_polls(world: World) -> None:
    """Ctrl-Z, or a paused container: it keeps its place, and `--once` in cron would exit with 0 for ever."""
    world.control.settings(duration=3600)
    assert world.run("submit", str(world.rows(3))).returncode == 0
    process = world.start("monitor", "--interval", "1")
    try:
        until(lambda: polls(world))
        assert world.run("--once").returncode == 0
        process.send_signal(signal.SIGSTOP)
        before = len(world.control.calls())
        said = world.run("--once", "--json")
        assert said.returncode == 1
        assert len(world.control.calls()) == before
        (error,) = json.loads(said.stdout)["errors"]
        assert f"pid {process.pid} polls for this state, but does not answer" in error["message"]
        assert f"kill -CONT {process.pid}" in error["hint"]
        assert error["code"] == "poller_stalled"
        waited = world.run("submit", str(world.rows(2, "more.jsonl", "more-")), "--wait", "--json")
        assert waited.returncode == 1
        assert "does not answer" in json.loads(waited.stdout)["errors"][0]["message"]
        assert len(json.loads(waited.stdout)["batches"]) == 1
        process.send_signal(signal.SIGCONT)
        assert world.run("--once").returncode == 0
        process.kill()
        process.wait()
        assert world.run("--once").returncode == 0, "the place of one that has died is free"
    finally:
        process.kill()
        process.wait()


def test_a_process_that_only_takes_long_is_not_taken_for_a_stopped_one(world: World) -> None:
    """A download of many megabytes outlasts its own next look; its signs of life go on."""
    world.control.settings(duration=3600)
    batch_id = world.run("submit", str(world.rows(3))).stdout.strip()
    process = world.start("monitor", "--interval", "1")
    try:
        until(lambda: polls(world))
        world.control.fault("results", Stall("mid_answer", seconds=60.0))
        world.control.finish(batch_id)
        until(lambda: len(world.control.calls("results")) == 1)
        time.sleep(7)
        assert world.run("--once").returncode == 0
    finally:
        process.kill()
        process.wait()
