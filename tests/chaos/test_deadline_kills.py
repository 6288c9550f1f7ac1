"""The way out at a deadline, killed at any moment: whoever goes on loses no answer and asks for none again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from batchtui.core.batches.remote import ProcessingStatus
from batchtui.core.batches.spending import committed
from batchtui.core.simulator.faults import Stall
from tests.chaos.late import Late
from tests.conftest import World, until

KILLS = int(os.environ.get("KILLS", "2"))
"""How often the process is killed. Each costs the start of another."""

PARALLEL = 8

LIMIT = 1.0


def test_killed_again_and_again_no_answer_is_asked_for_twice_or_lost(world: World) -> None:
    late = Late(world, 200)
    world.control.settings(duration=60.0)
    asyncio.run(_submit(late))
    world.control.fault("message", Stall("before", 0.02), times=None)
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    kept: list[tuple[set[str], int]] = []
    for _ in range(KILLS):
        process = world.start("monitor", "--interval", "0.2")
        _after(late, chance.randint(1, 3) if chance.random() < 0.3 else chance.randint(4, 400 // KILLS))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        known = _journaled(late)
        kept.append((known, _asked(late, known)))
    if not _whole(late):
        process = world.start("monitor", "--interval", "0.2")
        _after(late, 3)
        until(lambda: _whole(late))
        process.terminate()
        process.communicate()
        assert process.returncode == 0

    billed, submission = late.billed(), late.submission()
    assert set(billed) == set(late.ids.values())
    assert all(_asked(late, known) == count for known, count in kept)
    again = billed.total() - len(late.ids)
    assert again <= KILLS * PARALLEL
    assert submission.forgotten_usd is not None
    assert submission.forgotten_usd > 0 or not again  # what may have been billed twice is counted
    spent = committed(late.batches(), (), submission.forgotten_usd)
    assert spent is not None
    assert spent <= LIMIT
    assert len(world.control.calls("create")) == 1
    assert len(late.batches()) == 2
    print(f"{KILLS} kills: {again} asked for again, ${submission.forgotten_usd:.6f} counted for them")


async def _submit(late: Late) -> None:
    async with late.desk() as desk:
        looked = await desk.examine(late.path)
        by = datetime.now(UTC) + timedelta(seconds=0.5)
        await desk.submit(late.path, deadline=by.isoformat(), looked=looked, max_cost=LIMIT)


def _after(late: Late, calls: int) -> None:
    """Waits for so many more calls, or until all is done; what is canceled ends at once."""

    def made() -> int:
        for one in late.world.control.batches():
            if one.processing_status is ProcessingStatus.CANCELING:
                late.world.control.finish(one.id)
        return sum(late.world.control.stats().calls.values())

    before = made()
    until(lambda: made() >= before + calls or _whole(late))


def _asked(late: Late, ids: set[str]) -> int:
    asked = late.asked()
    return sum(asked[one] for one in ids)


def _journaled(late: Late) -> set[str]:
    found: set[str] = set()
    for path in late.world.paths.results.glob("*.partial"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            found.add(line.split(b'"', 4)[3].decode())
    return found


def _whole(late: Late) -> bool:
    batches = late.batches()
    return len(batches) == 2 and not late.submission().waiting and not any(one.overdue for one in batches)


class Killed(BaseException):
    """Ends all that a process does, as a kill would."""


@pytest.mark.parametrize(
    "move", ["way_out.WayOut._cancel", "way_out.WayOut.gather_rests", "way_out.WayOut.start", "now_run.keep_part"]
)
async def test_killed_right_before_each_move_the_next_process_makes_it(
    world: World, monkeypatch: pytest.MonkeyPatch, move: str
) -> None:
    late = Late(world, 30)
    died: list[bool] = []

    def die(*_: object) -> None:
        died.append(True)
        raise Killed

    async with late.desk() as desk:
        await desk.submit(late.path, deadline="6h")
        late.pass_by(6)
        with monkeypatch.context() as patch:
            patch.setattr(f"batchtui.core.desk.{move}", die)
            while not died:
                with suppress(Killed):
                    await late.cycle(desk)
                late.end_all()
    async with late.desk("batchtui second") as second:
        for _ in range(3):
            await late.cycle(second)
    late.assert_each_once()
    assert len(world.control.calls("cancel")) == (move != "way_out.WayOut._cancel")
