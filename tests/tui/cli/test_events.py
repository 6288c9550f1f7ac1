"""`monitor --events`: one JSON object a line for each thing that happened, none lost over a kill."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from batchtui.core.batches.batch import Batch, State
from batchtui.core.state.store import Store
from tests.conftest import PATIENCE, World, in_this_process, until

EVIL = "\x1b]0;owned\x07\x1b[31m[bold]red[/]\u202egnp"


class Printing:
    """A `monitor --events` whose lines are read as they come."""

    def __init__(self, world: World) -> None:
        self.process = world.start("monitor", "--events", "--interval", "0.3")
        self.raw: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.raw.append(line)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.raw if line.endswith("\n")]

    async def wait_for(self, name: str, batch: str) -> None:
        def came() -> bool:
            return any((one["event"], one["batch"]) == (name, batch) for one in self.events)

        await asyncio.to_thread(until, came)

    async def end(self, number: int) -> str:
        self.process.send_signal(number)
        await asyncio.to_thread(self.process.wait, PATIENCE)
        self._reading.join()
        assert self.process.stderr
        with self.process.stderr as stderr:
            return stderr.read()


async def submitted(world: World, name: str, called: str) -> str:
    async with world.desk() as desk:
        return str((await desk.submit(world.rows(2, name, f"{name[0]}-"), name=called)).id)


async def retrieved(world: World) -> None:
    """Polls here until the newest batch is retrieved."""
    async with world.desk() as desk:
        while (await desk.snapshot()).batches[0].state is not State.RETRIEVED:
            await desk.cycle()
            await asyncio.sleep(0.05)


async def test_events_are_printed_as_they_happen_and_none_is_lost_over_a_kill(world: World) -> None:
    first = await submitted(world, "a.jsonl", EVIL)
    one, other = Printing(world), Printing(world)  # only one of them polls
    try:
        for each in (one, other):
            await each.wait_for("retrieved", first)
        assert [event["event"] for event in one.events] == ["submitted", "ended", "retrieved"]
        assert [event["id"] for event in other.events] == [event["id"] for event in one.events]
        assert {event["name"] for event in one.events} == {EVIL}
        assert all(line.isascii() and line.removesuffix("\n").isprintable() for line in one.raw)
        assert {event["schema"] for event in one.events} == {1}
        await other.end(signal.SIGKILL)
        second = await submitted(world, "b.jsonl", "second")
        await one.wait_for("retrieved", second)
        human = await one.end(signal.SIGTERM)
        assert one.process.returncode == 0
        assert f"{second} · retrieved" in human
        third = await submitted(world, "c.jsonl", "third")
        await retrieved(world)
        after = [Printing(world), Printing(world)]  # each goes on where one of the others ended
        for each in after:
            await each.wait_for("retrieved", third)
        for each in after:
            await each.end(signal.SIGTERM)
        batches = [{event["batch"] for event in each.events} for each in after]
        assert sorted(batches, key=len) == [{third}, {second, third}]
        [ids] = [[event["id"] for event in each.events] for each in after if len(each.events) == 6]
        assert ids[:3] == [event["id"] for event in one.events[3:]]
    finally:
        one.process.kill()
        other.process.kill()


async def test_a_reader_that_goes_away_ends_it_and_what_it_did_not_read_comes_the_next_time(world: World) -> None:
    now = datetime.now(UTC)
    with Store(world.paths).transaction() as tx:
        tx.put(Batch(ref="b1", name="n", submission="s1", submitted_at=now, requests=1, state=State.REJECTED, id="x"))
    process = world.start("monitor", "--events", "--interval", "0.3")
    assert process.stdout
    process.stdout.close()
    await asyncio.to_thread(process.wait, PATIENCE)
    assert process.returncode == 1
    assert process.stderr
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    again = Printing(world)
    await again.wait_for("submitted", "x")
    await again.end(signal.SIGTERM)
    assert [event["event"] for event in again.events] == ["submitted"]


def test_a_config_that_cannot_be_used_is_refused_with_its_place_before_anything_happens(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    world.home.mkdir(mode=0o700)
    for text, place in (
        ('on = ["finished"]', "$.notify.on[0]"),
        ('webhook = "http://example.com/t0ken"', "$.notify"),
        ("command = 'beep'", "$.notify.command"),
    ):
        (world.home / "config.toml").write_text(f"[notify]\n{text}\n")
        ended = in_this_process(["monitor", "--events"], world.environment, world.folder, monkeypatch, capfd)
        assert ended.returncode == 1
        assert place in ended.stderr
        assert "t0ken" not in ended.stderr
    assert [one.name for one in world.home.iterdir()] == ["config.toml"]
