"""A bug of ours while results are processed: shown on the row and in the log, without affecting other batches."""

from __future__ import annotations

from typing import Any

import pytest

from batchtui.core.batches.batch import State
from batchtui.core.logs import log
from batchtui.core.results import summary
from batchtui.core.results.summary import Summary
from tests.conftest import World


async def test_a_batch_whose_results_break_something_keeps_no_other_from_coming(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = summary.summarise

    def summarise(verdict: Any, *, name: str, **more: Any) -> Summary:
        if name == "odd":
            raise ZeroDivisionError
        return real(verdict, name=name, **more)

    monkeypatch.setattr(summary, "summarise", summarise)
    world.control.settings(duration=600)
    log.addHandler(caplog.handler)
    desk = world.desk()
    try:
        await desk.submit(world.rows(2, "odd.jsonl"))
        await desk.submit(world.rows(2, "good.jsonl"))
        for one in world.control.batches():
            world.control.finish(one.id)
        cycle = await desk.cycle()
        good, odd = (await desk.snapshot()).batches
        assert (good.state, cycle.retrieved) == (State.RETRIEVED, (good.id,))
        assert odd.state is State.ENDED
        assert odd.trouble
        assert "ZeroDivisionError" in odd.trouble.message
        assert [error.batch for error in cycle.errors] == [odd.ref]
        assert any(record.exc_info for record in caplog.records)
    finally:
        log.removeHandler(caplog.handler)
        await desk.close()
