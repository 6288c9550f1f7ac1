"""The loop of `monitor`, in virtual time: what costs a look, what is said, and when it gives no sign of life."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from batchtui.core.batches.batch import Batch, Snapshot, State
from batchtui.core.clock import utc_now
from batchtui.core.desk import watch as loop
from batchtui.core.desk.cycle import Cycle
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.desk.pace import Pace
from batchtui.core.desk.timepiece import Reading
from batchtui.core.desk.watch import Asked, Watch
from batchtui.core.errors import NoKey, StateError
from batchtui.core.logs import log
from batchtui.core.logs import start as start_log
from batchtui.core.service.notify_socket import NotifySocket
from batchtui.core.simulator.faults import Answer, Drop
from tests.conftest import World
from tests.months.virtual_time import VirtualTime

HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0


@dataclass
class Life:
    """One monitor's life in virtual time. `looks` are the true times at which it called the API."""

    world: World
    time: VirtualTime
    batch: Batch
    looks: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def desk(self) -> Desk:
        return open_desk(
            self.world.paths,
            self.world.environment,
            command="batchtui monitor",
            clock=self.time.clock,
            folder=self.world.folder,
        )

    def at(self, when: float, happens: Callable[[], object]) -> None:
        async def event(_: VirtualTime) -> None:
            happens()

        self.time.plan(when, event)

    async def live(self, until: float) -> None:
        """Runs until a true time, or until a planned event stops it."""
        asked = Asked()
        self.at(until, asked.stop)

        async def told(_: Desk, cycle: Cycle) -> None:
            self.looks += [self.time.true] * bool(cycle.api_calls)

        async with self.desk() as desk:
            desk.write_log()
            await Watch(
                desk,
                asked,
                NotifySocket({}),
                timepiece=self.time,
                told=told,
                complain=lambda error: self.said.append(error.message),
            ).run()

    def looks_within(self, begin: float, seconds: float) -> int:
        return sum(begin <= at <= begin + seconds for at in self.looks)

    def log(self, level: str) -> list[str]:
        lines = self.world.paths.log_file.read_text().splitlines()
        return [line.split(" ", 3)[3] for line in lines if line.split(" ", 2)[1] == level]

    async def state(self) -> State:
        async with self.desk() as desk:
            return (await desk.find(self.batch.ref)).state


@pytest.fixture
async def life(world: World) -> AsyncIterator[Life]:
    time = VirtualTime(world.control)
    time.step = 30.0
    time.clock()
    world.control.settings(duration=12.5 * HOUR)
    async with open_desk(world.paths, world.environment, command="test", clock=time.clock, folder=world.folder) as desk:
        batch = await desk.submit(world.rows(2))
    world.control.settings(duration=0.3)
    yield Life(world, time, batch)
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()


async def test_a_sleep_costs_one_look_when_the_machine_is_awake_again(life: Life) -> None:
    woke = HOUR + 5 * HOUR
    life.at(HOUR, lambda: life.time.sleep(5 * HOUR))
    await life.live(woke + 600.0)
    assert life.looks_within(HOUR, 5 * HOUR - 1) == 0
    assert life.looks_within(woke, 120.0) == 1
    assert [line for line in life.log("INFO") if "slept for 18000 s" in line]
    assert not life.log("ERROR")


@pytest.mark.parametrize("years", [3, -8])
async def test_a_clock_that_is_set_costs_one_look_and_makes_nothing_expire(life: Life, years: int) -> None:
    life.at(HOUR, lambda: setattr(life.time, "skew", years * YEAR))
    life.at(2 * HOUR, lambda: setattr(life.time, "skew", 0.0))
    await life.live(3 * HOUR)
    assert life.looks_within(HOUR, 120.0) == 1
    assert life.looks_within(2 * HOUR, 120.0) == 1
    assert 3 <= life.looks_within(HOUR + 121.0, HOUR - 122.0) <= 15, "it goes on at its usual pace, by the API's clock"
    assert await life.state() is State.IN_PROGRESS
    assert not life.log("ERROR")


async def test_an_hour_without_network_is_said_once_counted_and_caught_up_with_one_look(life: Life) -> None:
    life.at(HOUR, lambda: life.world.control.fault("any", Drop("before"), times=None))
    life.at(2.5 * HOUR, life.world.control.clear_faults)
    await life.live(4 * HOUR)
    assert 8 <= life.looks_within(HOUR, 1.5 * HOUR) <= 20
    assert life.looks_within(2.5 * HOUR, 600.0) >= 1
    (error,) = life.log("ERROR")
    assert error.startswith("looks fail: The API could not be reached")
    assert "the next poll tries again" in error
    (beat,) = [line for line in life.log("INFO") if line.startswith("alive") and "unreachable for" in line]
    assert "1 batch under way" in beat
    (back,) = [line for line in life.log("INFO") if line.startswith("looks work again: unreachable for 1h")]
    assert int(back.split(", ")[1].split()[0]) >= 8
    assert len(life.said) == 1


async def test_a_key_that_is_revoked_is_asked_slowly_said_once_and_works_again(life: Life) -> None:
    life.at(HOUR, lambda: life.world.control.fault("any", Answer(401), times=None))
    life.at(11 * HOUR, life.world.control.clear_faults)
    await life.live(12 * HOUR)
    assert life.looks_within(HOUR, 10 * HOUR) <= 4 * 10 + 1
    (error,) = life.log("ERROR")
    assert "refused the key" in error
    assert [line for line in life.log("INFO") if line.startswith("looks work again: without a key that is accepted")]
    assert life.looks_within(11 * HOUR, HOUR) >= 3


async def test_one_that_starts_again_and_again_does_not_look_each_time(life: Life) -> None:
    await life.live(2 * HOUR)
    before = len(life.looks)
    for _ in range(10):
        await life.live(life.time.true + 20.0)
    assert len(life.looks) - before <= 2


async def test_what_was_sent_since_does_not_wait_for_the_look_that_was_planned(life: Life) -> None:
    await life.live(3 * HOUR)
    life.time.clock()
    life.world.control.settings(duration=60.0)
    async with life.desk() as desk:
        await desk.submit(life.world.rows(2, "new.jsonl", "new-"))
    began = life.time.true
    await life.live(began + 240.0)
    assert life.looks_within(began, 60.0) >= 1


async def test_a_retry_after_of_years_is_an_hour(life: Life) -> None:
    life.at(HOUR, lambda: life.world.control.fault("any", Answer(429, headers={"retry-after": "99999999"})))
    await life.live(3 * HOUR)
    first, second, *_ = [at for at in life.looks if at > HOUR]
    assert 3500.0 <= second - first <= 3700.0


async def test_a_heartbeat_an_hour_says_that_it_lives_and_what_it_did(life: Life) -> None:
    await life.live(4 * HOUR + 60.0)
    beats = [line for line in life.log("INFO") if line.startswith("alive: 1 batch under way, ")]
    assert len(beats) == 4
    counted = sum(int(beat.split(", ")[1].split()[0]) for beat in beats)
    assert counted == sum(at <= 4 * HOUR for at in life.looks)
    assert len([line for line in life.log("INFO") if line.startswith("looked")]) <= 1, (
        "a look that found nothing is no line"
    )


async def test_what_ends_is_in_the_log_with_its_counts_and_what_is_retrieved_with_its_figures(life: Life) -> None:
    life.world.control.advance(str(life.batch.id), 11.5 * HOUR)
    await life.live(2 * HOUR)
    (end,) = [line for line in life.log("INFO") if " ended after " in line]
    assert end == f"{life.batch.id} (rows) ended after 1h 00m: 2 succeeded"
    (got,) = [line for line in life.log("INFO") if " retrieved: " in line]
    results = life.world.paths.result(str(life.batch.id))
    assert got.startswith(f"{life.batch.id} (rows) retrieved: 2 results, ")
    assert got.endswith(f"kB, {results}")
    text = life.world.paths.log_file.read_text()
    assert "Question" not in text
    assert json.loads(results.read_text().splitlines()[0])["result"]["message"]["content"][0]["text"] not in text


async def test_an_output_that_fails_is_an_error_once_and_said_when_it_is_well_again(life: Life) -> None:
    place = life.world.folder / "out"
    job = life.world.folder / "job.toml"
    (life.world.folder / "in.csv").write_text("id,q\n1,a\n2,b\n")
    job.write_text(
        'name = "daily"\n[source]\npath = "in.csv"\nkey = "k{{ id }}"\n[request]\nmodel = "claude-haiku-5-5"\n'
        'max_tokens = 64\nuser = "{{ q }}"\n[[output]]\nkind = "csv"\npath = "out/rows.csv"\n'
        'columns = { text = "text" }\n'
    )
    async with life.desk() as desk:
        batch = await desk.submit(job)
    place.write_text("a file where its folder should be")

    async def mend(_: VirtualTime) -> None:
        place.unlink()
        async with life.desk() as desk:
            await desk.advance([batch.submission])

    life.time.plan(HOUR, mend)
    await life.live(2 * HOUR)
    (error,) = life.log("ERROR")
    assert error.startswith("daily (")
    assert error.endswith("is not a folder. Choose another place.")
    assert [line for line in life.log("INFO") if line.startswith("daily (") and line.endswith("well again")]
    (written,) = [line for line in life.log("INFO") if ": csv " in line]
    assert f"csv {place / 'rows.csv'}: 2 rows, " in written


# Signs of life


class Hurried(VirtualTime):
    """A minute passes each time it is read."""

    def read(self) -> Reading:
        self.true += 60.0
        return super().read()


class Manager(NotifySocket):
    """Counts the signs of life."""

    def __init__(self) -> None:
        super().__init__({})
        self.watchdog = 180.0
        self.signs = 0

    def alive(self) -> None:
        self.signs += 1


async def _signs(
    life: Life, monkeypatch: pytest.MonkeyPatch, cycle: Callable[..., Awaitable[Any]], ticks: int
) -> list[int]:
    """The signs of life seen after each of so many ticks of a cycle that does not end."""
    monkeypatch.setattr(loop, "_TICK", 0.001)
    manager, asked, time = Manager(), Asked(), Hurried(life.world.control)
    seen: list[int] = []
    async with life.desk() as desk:
        monkeypatch.setattr(desk, "cycle", cycle)

        async def told(_: Desk, __: Cycle) -> None: ...

        running = asyncio.create_task(
            Watch(desk, asked, manager, timepiece=time, told=told, complain=lambda _: None).run()
        )
        before = time.true
        while len(seen) < ticks:
            await asyncio.sleep(0.001)
            if time.true > before:
                before = time.true
                seen.append(manager.signs)
        asked.stop()
        monkeypatch.setattr(loop, "_GRACE", 0.0)
        await running
    return seen


async def test_a_cycle_that_hangs_lets_the_watchdog_fire(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(*_: object) -> None:
        await asyncio.Event().wait()

    seen = await _signs(life, monkeypatch, hangs, 60)
    assert seen[8] > 0
    assert len(set(seen[25:])) == 1, "no sign of life a quarter of an hour after the last progress"


async def test_a_long_download_goes_on_giving_signs_of_life(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    async def downloads(report: Callable[[str, int, int | None], None]) -> None:
        for done in range(1_000_000):
            report("b", done, None)
            await asyncio.sleep(0)

    seen = await _signs(life, monkeypatch, downloads, 60)
    assert seen[-1] > seen[30] > seen[10]


# What breaks


async def test_what_breaks_in_a_round_is_said_once_and_survived(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = life.world.paths.state.read_bytes()
    life.at(60.0, lambda: life.world.paths.state.write_text("not ours"))
    life.at(HOUR, lambda: life.world.paths.state.write_bytes(broken))
    await life.live(2 * HOUR)
    (error,) = life.log("ERROR")
    assert "state.json" in error
    assert len(life.said) == 1
    assert life.looks_within(HOUR, HOUR) >= 3


async def test_without_a_key_it_waits_for_one_and_says_so_once(world: World) -> None:
    async with world.desk() as desk:
        await desk.submit(world.rows(2))
    kept = {name: value for name, value in world.environment.items() if name != "ANTHROPIC_API_KEY"}
    said: list[Any] = []
    asked, time = Asked(), VirtualTime(world.control)

    async def end(_: VirtualTime) -> None:
        asked.stop()

    async def key(_: VirtualTime) -> None:
        (world.folder / ".env").write_text("ANTHROPIC_API_KEY=sk-ant-0001\n")
        (world.folder / ".env").chmod(0o600)

    async def told(_: Desk, __: Cycle) -> None: ...

    time.plan(HOUR, key)
    time.plan(2 * HOUR, end)
    async with open_desk(world.paths, kept, command="batchtui monitor", clock=time.clock, folder=world.folder) as desk:
        watch = Watch(desk, asked, NotifySocket({}), timepiece=time, told=told, complain=said.append)
        await watch.run()
        assert [type(one) for one in said if isinstance(one, NoKey)] == [NoKey]
    assert world.control.calls("get") or world.control.calls("list")


async def test_a_state_that_is_moved_away_is_said_once(life: Life) -> None:
    away = life.world.paths.state.with_name("away.json")
    life.at(HOUR, lambda: life.world.paths.state.rename(away))
    await life.live(3 * HOUR)
    (line,) = life.log("ERROR")
    assert line.startswith("The state is gone, or was replaced by an older one")
    assert [one for one in life.said if "The state is gone" in one]


def test_what_fails_again_is_said_once_even_if_nothing_can_be_kept(world: World) -> None:
    start_log(world.paths.log_file, lambda text: text)
    world.paths.looks.mkdir(parents=True)
    pace = Pace(world.paths, utc_now, None)
    for _ in range(3):
        pace.note(Snapshot(), 0, StateError("The state could not be saved: No space left on device."))
    assert world.paths.log_file.read_text().count(" ERROR ") == 1
    assert pace.outage
    assert pace.outage.looks == 3
