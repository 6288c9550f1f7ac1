"""A submission of several batches: one row whose progress is real, which opens, and is exported as one."""

import json

from batchtui.core.batch import State
from batchtui.core.split import Cut
from batchtui.tui.screens.batches import PartsScreen


async def test_a_split_file_is_one_row_that_opens_and_exports_as_one(simulator, open_one, sit, rows, folder):
    simulator.control.settings(duration=600)
    desk = open_one(simulator.url)
    await desk.submit(rows("big.jsonl", 10, "req-"), cut=Cut(most=4))
    ids = [one.id for one in simulator.control.batches()]
    async with sit(desk) as hand:
        table = hand.app.screen.table
        await hand.until(lambda: table.total == 1)
        simulator.control.finish(ids[0])
        simulator.control.finish(ids[1])
        await hand.press("R")
        await hand.until(lambda: table.current.request_counts.done == 6)
        assert table.current.request_counts.total == 10
        assert table.current.state is State.IN_PROGRESS
        await hand.press("enter")
        await hand.until(lambda: isinstance(hand.app.screen, PartsScreen))
        await hand.shows("3 batches")
        assert hand.app.screen.table.total == 3
        await hand.press("escape")
        simulator.control.finish(ids[2])
        await hand.press("R")
        await hand.until(lambda: table.current.state is State.RETRIEVED)
        await hand.press("e", "enter")
        target = folder / "big-results.jsonl"
        await hand.until(target.exists)
        assert [json.loads(line)["custom_id"] for line in target.read_text().splitlines()] == [
            f"req-{n}" for n in range(10)
        ]
