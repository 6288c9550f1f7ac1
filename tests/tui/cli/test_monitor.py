"""`monitor` repeats what `--once` does until it is stopped, and `examples` writes jobs that run."""

import asyncio
import json
import signal
from pathlib import Path

from batchtui.core.batches.batch import State
from tests.conftest import PATIENCE, World


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
