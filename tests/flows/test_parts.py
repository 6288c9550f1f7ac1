"""A submission of several batches: one row with real progress, which opens and is exported as one."""

import json

from batchtui.core.batches.batch import State
from batchtui.core.requests.split import Cut
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


async def test_a_job_is_priced_and_submitted_by_its_file(simulator, open_one, sit, folder):
    simulator.control.settings(duration=600)
    (folder / "rows.csv").write_text("number,word\n1,sun\n2,moon\n")
    job = """
name = "notes"
[source]
path = "rows.csv"
key = "Row {{ number }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"
"""
    (folder / "notes.toml").write_text(job)
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        await hand.type("notes.toml")
        await hand.shows("2 requests")
        await hand.shows("without a batch")
        await hand.ready()
        await hand.press("enter")
        await hand.until(lambda: len(simulator.control.batches()) == 1)
        await hand.shows("in progress")
    assert simulator.control.custom_ids(simulator.control.batches()[0].id)[0].startswith("Row_1-k")


async def test_canceling_the_whole_of_it_leaves_what_waits_unsent_and_forgetting_takes_all_or_nothing(
    simulator, open_one, sit, rows
):
    simulator.control.settings(duration=600)
    desk = open_one(simulator.url)
    await desk.submit(rows("big.jsonl", 10, "req-"), cut=Cut(most=4, alone=1))
    async with sit(desk) as hand:
        table = hand.app.screen.table
        await hand.until(lambda: table.total == 1)
        await hand.press("x")
        await hand.says("9 waiting requests will not be sent")
        await hand.press("y")
        await hand.until(lambda: table.current.state is State.CANCELING)
        assert [one.stopped for one in hand.app.session.snapshot.submissions.values()] == [True]
        await hand.press("D")
        await hand.says("forget it once it has ended")
        simulator.control.finish(simulator.control.batches()[0].id)
        await hand.press("R")
        await hand.until(lambda: table.current.state is State.RETRIEVED)
        await hand.press("R", "enter")
        await hand.shows("9 requests left unsent")
        await hand.press("escape")
        assert len(simulator.control.batches()) == 1
        await hand.press("D")
        await hand.says("9 requests that were not sent")
        await hand.press("y")
        await hand.until(lambda: table.total == 0)


async def test_each_part_has_a_name_of_its_own_and_the_palette_acts_on_it(simulator, open_one, sit, rows):
    simulator.control.settings(duration=600)
    desk = open_one(simulator.url)
    await desk.submit(rows("big.jsonl", 10, "req-"), cut=Cut(most=4))
    async with sit(desk) as hand:
        await hand.shows("in progress")
        await hand.press("enter")
        await hand.shows("part 3 of big")
        await hand.press("down", "x")
        await hand.shows("Cancel part 2 of big?")
        await hand.press("escape", "colon")
        await hand.shows("Batch: Open")
        await hand.shows("Batch: Cancel")
