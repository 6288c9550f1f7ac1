"""`submit --now` sends nothing more once another process cancels it, and the same command continues it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from batchtui.core.desk.cancel import hold_back
from batchtui.core.desk.now import Now
from batchtui.core.errors import Stopped
from batchtui.core.simulator.faults import Stall
from tests.conftest import World


def job(world: World) -> Path:
    (world.folder / "words.csv").write_text("number\n0\n1\n2\n")
    request = 'model = "claude-haiku-5-5"\nmax_tokens = 50\nuser = '
    path = world.folder / "notes.toml"
    path.write_text(
        'name = "notes"\n[source]\npath = "words.csv"\nkey = "{{ number }}"\n'
        f'[request]\n{request}"Write {{{{ number }}}}"\n'
        f'[[step]]\nname = "reports"\n[step.request]\n{request}"Report on {{{{ answers.notes }}}}"\n'
    )
    return path


@pytest.mark.parametrize("answered", [1, 4], ids=["in the first step", "in the second"])
async def test_what_is_canceled_asks_nothing_more(world: World, answered: int) -> None:
    world.control.fault("message", Stall("accepted", 600), times=None, skip=answered)
    desk = world.desk()
    try:
        urgent, stop = Now(desk._context), asyncio.Event()
        run = await urgent.begin(job(world), name=None, again=False)
        asking = asyncio.create_task(urgent._run.finish(run, parallel=1, stop=stop))
        await asyncio.to_thread(world.control.wait_for_calls, "message", answered + 1, 60)
        await hold_back([run.ref], desk._context)
        await asyncio.wait_for(stop.wait(), 60)
        world.control.clear_faults()
        with pytest.raises(Stopped) as raised:
            await asking
        assert raised.value.message == "It was canceled in the meantime."
        assert f"{answered + 1} of " in raised.value.hint
        assert len(world.control.calls("message")) == answered + 1
        finished = await urgent._run.finish(run, parallel=1)
        assert finished.trouble is None
        assert len(world.control.calls("message")) == (3 if answered < 3 else 6)
        assert not world.control.calls("create")
    finally:
        await desk.close()
