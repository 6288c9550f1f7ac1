"""The main job with its keys, against the simulator, over real HTTP."""

from __future__ import annotations

import asyncio
import csv
import json
import re

from textual import events
from textual.command import CommandList
from textual.widgets import Button

from batchtui.core.batches.batch import State
from batchtui.core.simulator.faults import Answer, Drop, Stall
from batchtui.tui.palette import MOST
from batchtui.tui.screens.batches import BatchesScreen
from batchtui.tui.screens.confirm import ConfirmScreen
from batchtui.tui.screens.submit import SubmitScreen
from batchtui.widgets.batch_table import BatchTable
from tests.conftest import PATIENCE


async def test_a_file_is_submitted_watched_retrieved_and_exported_by_keys_alone(simulator, open_one, sit, rows, folder):
    rows(count=30)
    async with sit(open_one(simulator.url)) as hand:
        await hand.shows("No batches yet")
        await hand.press("n")
        await hand.type("no")
        await hand.press("tab")
        await hand.shows("30 requests")
        await hand.ready()
        await hand.press("enter")
        await hand.says("You can close the laptop")
        assert isinstance(hand.app.screen, BatchesScreen)
        await hand.shows("✓ retrieved")
        await hand.press("e", "enter")
        await hand.shows("Exported 30 results")
        assert isinstance(hand.app.screen, BatchesScreen)
        exported = [json.loads(line)["custom_id"] for line in (folder / "notes-results.jsonl").read_text().splitlines()]
        assert exported == [f"a{index}" for index in range(30)]
        await hand.press("e", "down", "enter")
        await hand.until((folder / "notes-results.csv").exists)
        await hand.until(lambda: isinstance(hand.app.screen, BatchesScreen))
        with (folder / "notes-results.csv").open(encoding="utf-8-sig", newline="") as file:
            assert [row["custom_id"] for row in csv.DictReader(file)] == exported
        assert len(simulator.control.calls("create")) == 1


async def test_the_submit_button_is_dead_with_its_reason_while_the_file_has_problems(
    simulator, open_one, sit, folder, monkeypatch
):
    (folder / "bad.jsonl").write_text('{"custom_id": "a b", "params": {}}\n')
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        button = hand.app.screen.query_one("#act", Button)
        assert button.disabled
        await hand.shows("Enter a path.")
        await hand.type("bad.jsonl")
        await hand.shows("line 1")
        await hand.shows("nothing is sent")
        assert button.disabled
        await hand.press("enter")
        assert isinstance(hand.app.screen, SubmitScreen)
        assert simulator.control.calls("create") == []

        def broken(*arguments, **options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("batchtui.core.desk.desk.Desk.examine", broken)
        await hand.type("x")
        await hand.shows("It cannot be read: Permission denied")
        await hand.shows("The file could not be read.")
        assert button.disabled


async def test_keys_that_come_faster_than_the_screen_export_what_they_say(simulator, open_one, sit, rows, folder):
    rows(count=3)
    desk = open_one(simulator.url)
    batch = await desk.submit(folder / "notes.jsonl")
    simulator.control.finish(str(batch.id))
    await desk.retrieve(batch.ref)
    async with sit(desk) as hand:
        await hand.shows("✓ retrieved")
        await hand.press("e")
        for key in ("down", "enter"):
            hand.app.post_message(events.Key(key, None))
        await hand.until(lambda: list(folder.glob("notes-results*")))
        await hand.until(lambda: isinstance(hand.app.screen, BatchesScreen))
        assert [path.name for path in folder.glob("notes-results*")] == ["notes-results.csv"]


async def test_a_file_that_changed_since_the_form_read_it_is_read_again_and_not_sent(simulator, open_one, sit, rows):
    path = rows(count=3)
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        await hand.type(path.name)
        await hand.until(lambda: not hand.app.screen.query_one("#act", Button).disabled)
        rows(count=4)
        await hand.press("enter")
        await hand.shows("4 requests")
        assert simulator.control.calls("create") == []
        await hand.until(lambda: not hand.app.screen.query_one("#act", Button).disabled)
        await hand.press("enter")
        await hand.says("You can close the laptop")
        assert [one.requests for one in simulator.control.batches()] == [4]


async def test_a_model_that_does_not_exist_is_found_on_the_form(simulator, open_one, sit, rows, folder):
    path = rows()
    path.write_text(path.read_text().replace("sonnet-5-5", "sonnet-55"))
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        await hand.type(path.name)
        await hand.shows("claude-sonnet-55")
        await hand.shows("line 1")
        await hand.shows("nothing is sent")
        await hand.press("enter")
        assert isinstance(hand.app.screen, SubmitScreen)
        assert simulator.control.calls("create") == []


async def test_an_api_that_says_nothing_of_models_keeps_no_file_from_being_sent(
    simulator, open_one, sit, rows, monkeypatch
):
    monkeypatch.setattr("batchtui.tui.screens.submit.ASKED_FOR", 0.5)
    simulator.control.fault("models", Stall("before", 600), times=None)
    path = rows()
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        await hand.type(path.name)
        await hand.shows("the models were not checked")
        await hand.press("enter")
        await hand.says("You can close the laptop")
        assert len(simulator.control.calls("create")) == 1


async def test_while_the_api_is_asked_about_the_models_the_button_is_dead(simulator, open_one, sit, rows, monkeypatch):
    monkeypatch.setattr("batchtui.tui.screens.submit.ASKED_FOR", PATIENCE)
    simulator.control.fault("models", Stall("before", 600), times=None)
    path = rows()
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        await hand.type(path.name)
        await hand.shows("Asking the API about the models.")
        assert hand.app.screen.query_one("#act", Button).disabled
        simulator.control.clear_faults()
        await hand.ready()


async def test_a_job_that_could_cost_more_than_its_own_limit_is_not_sent(simulator, open_one, sit, folder):
    (folder / "rows.csv").write_text("n\n1\n2\n")
    (folder / "dear.toml").write_text(
        'max_cost = 0.01\n[source]\npath = "rows.csv"\nkey = "{{ n }}"\n'
        '[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 128000\nuser = "{{ n }}"\n'
    )
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        await hand.type("dear.toml")
        await hand.shows("is $0.0100. Nothing was sent.")
        await hand.shows("It could cost more than its limit.")
        await hand.press("enter")
        assert isinstance(hand.app.screen, SubmitScreen)
        assert simulator.control.calls("create") == []


async def test_a_file_that_is_too_long_for_one_batch_goes_as_several_and_the_form_says_so(
    simulator, open_one, sit, rows, monkeypatch
):
    rows(count=5)
    monkeypatch.setattr("batchtui.core.requests.check.MAX_REQUESTS", 2)
    monkeypatch.setattr("batchtui.core.requests.split.MAX_REQUESTS", 2)
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        await hand.type("notes.jsonl")
        await hand.shows("Sent as 3 batches or more, under one name.")
        await hand.ready()
        await hand.press("enter")
        await hand.until(lambda: len(simulator.control.batches()) == 3)
        assert sorted(one.requests for one in simulator.control.batches()) == [1, 2, 2]


async def test_a_file_that_was_sent_before_is_sent_again_only_when_a_person_says_so(simulator, open_one, sit, rows):
    desk = open_one(simulator.url)
    await desk.submit(rows())
    async with sit(desk) as hand:
        await hand.press("n")
        await hand.type("notes.jsonl")
        await hand.shows("3 requests")
        await hand.ready()
        await hand.press("enter")
        await hand.shows("buys all of it a second time")
        await hand.press("enter")
        await hand.until(lambda: isinstance(hand.app.screen, SubmitScreen))
        assert len(simulator.control.calls("create")) == 1
        await hand.press("enter")
        await hand.shows("buys all of it a second time")
        await hand.press("y")
        await hand.says("You can close the laptop")
        assert len(simulator.control.calls("create")) == 2
        table = hand.app.screen.query_one(BatchTable)
        await hand.until(lambda: table.total == 2 and table.current == hand.app.session.snapshot.batches[0])


async def test_a_refused_submission_stays_on_the_form_with_what_to_do(simulator, open_one, sit, rows):
    rows()
    simulator.control.fault("create", Answer(413, "request_too_large", "Too large."))
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        await hand.type("notes.jsonl")
        await hand.shows("3 requests")
        await hand.ready()
        await hand.press("enter")
        await hand.until(lambda: not hand.app.session.tasks and simulator.control.calls("create"))
        assert isinstance(hand.app.screen, SubmitScreen)
        assert not hand.app.screen.query_one("#act", Button).disabled
        await hand.shows("oo large")


async def test_an_answer_that_was_lost_closes_the_form_and_is_settled_by_itself(simulator, open_one, sit, rows):
    rows()
    simulator.control.fault("create", Drop("accepted"))
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        await hand.type("notes.jsonl")
        await hand.shows("3 requests")
        await hand.ready()
        await hand.press("enter")
        await hand.until(lambda: isinstance(hand.app.screen, BatchesScreen))
        await hand.shows("✓ retrieved")
        assert len(simulator.control.calls("create")) == 1
        assert len(simulator.control.batches()) == 1


async def test_cancel_asks_and_enter_on_the_question_changes_nothing(simulator, open_one, sit, rows):
    simulator.control.settings(duration=60.0)
    desk = open_one(simulator.url)
    await desk.submit(rows(count=7))
    async with sit(desk) as hand:
        await hand.shows("in progress")
        await hand.press("x")
        await hand.shows("7 of 7 requests")
        await hand.press("enter")
        await hand.until(lambda: not isinstance(hand.app.screen, ConfirmScreen))
        assert simulator.control.calls("cancel") == []
        await hand.press("x")
        await hand.shows("7 of 7 requests")
        await hand.press("y")
        await hand.until(lambda: simulator.control.calls("cancel"))
        await hand.until(lambda: hand.app.session.snapshot.batches[0].state is not State.IN_PROGRESS)


async def test_a_key_that_the_batch_refuses_says_why(simulator, open_one, sit, rows):
    simulator.control.settings(duration=60.0)
    desk = open_one(simulator.url)
    await desk.submit(rows())
    async with sit(desk) as hand:
        await hand.press("r")
        await hand.shows("Still running: the API")
        await hand.press("D")
        await hand.shows("It is still running")
        assert isinstance(hand.app.screen, BatchesScreen)
        await hand.press("enter", "enter")
        await hand.shows("Its results are not on")


async def test_what_exists_is_replaced_only_after_a_yes_and_the_input_never(simulator, open_one, sit, rows, folder):
    desk = open_one(simulator.url)
    source = rows(count=4)
    before = source.read_text()
    other = folder / "other.jsonl"
    other.write_text("old")
    await desk.submit(source)
    async with sit(desk) as hand:
        await hand.shows("✓ retrieved")
        await hand.press("e", "tab")
        hand.app.screen.query_one("#target").value = "notes.jsonl"
        await hand.press("enter")
        await hand.says("is the file that was submitted.")
        hand.app.screen.query_one("#target").value = "other.jsonl"
        await hand.press("enter")
        await hand.says("already exists. Replace it?")
        await hand.press("enter")
        await hand.until(lambda: not isinstance(hand.app.screen, ConfirmScreen))
        assert (source.read_text(), other.read_text()) == (before, "old")
        hand.app.screen.query_one("#target").focus()
        await hand.press("enter")
        await hand.says("already exists. Replace it?")
        await hand.press("y")
        await hand.shows("Exported 4 results")
        assert other.read_text() != "old"
        assert source.read_text() == before


async def test_marked_batches_are_exported_each_to_a_file_of_its_name(simulator, open_one, sit, rows, folder):
    desk = open_one(simulator.url)
    for name in ("one", "two", "three"):
        await desk.submit(rows(f"{name}.jsonl", prefix=name))
    async with sit(desk) as hand:
        await hand.until(lambda: [b.state for b in hand.app.session.snapshot.batches] == [State.RETRIEVED] * 3)
        await hand.press("space", "space", "e")
        await hand.shows("Export 2 batches")
        await hand.press("tab", "enter")
        await hand.until(lambda: isinstance(hand.app.screen, BatchesScreen))
        assert sorted(path.name for path in folder.glob("*-results.jsonl")) == [
            "three-results.jsonl",
            "two-results.jsonl",
        ]


async def test_another_process_s_submission_shows_by_itself_and_only_one_polls(simulator, open_one, sit, rows):
    simulator.control.settings(duration=60.0)
    other = open_one(simulator.url, command="batchtui --once")
    assert await other.poll_if_free()
    async with sit(open_one(simulator.url), size=(120, 24)) as hand:
        await hand.shows("polled by batchtui --once")
        await other.submit(rows(count=9), name="from elsewhere")
        listed = len(simulator.control.calls())
        await hand.shows("from elsewhere")
        ages = set()
        await hand.until(lambda: ages.update(re.findall(r"running +\d+s", hand.text)) or len(ages) > 1)
        await hand.press("p")
        await hand.shows("is paused here")
        await hand.shows("polled by batchtui --once")
        await hand.press("p")
        await asyncio.sleep(1.2)
        assert len(simulator.control.calls()) == listed
        await open_one.close(other)
        await hand.until(lambda: len(simulator.control.calls()) > listed)


async def test_a_pause_asks_the_api_nothing_but_what_r_asks(simulator, open_one, sit, rows):
    simulator.control.settings(duration=60.0)
    desk = open_one(simulator.url)
    await desk.submit(rows())
    async with sit(desk) as hand:
        await hand.until(lambda: hand.app.session.pulse.looked_at)
        await hand.press("p")
        await hand.shows("polling is paused")
        await hand.until(lambda: not hand.app.session.pulse.looking)
        before = len(simulator.control.calls())
        await asyncio.sleep(1.0)
        assert len(simulator.control.calls()) == before
        await hand.press("R")
        await hand.until(lambda: len(simulator.control.calls()) == before + 1)


async def test_an_api_that_fails_is_said_and_followed_again_once_it_is_back(simulator, open_one, sit, rows):
    simulator.control.settings(duration=2.0)
    desk = open_one(simulator.url)
    await desk.submit(rows())
    simulator.control.fault("any", Answer(529, "overloaded_error", "Overfull."), times=None)
    async with sit(desk, size=(140, 24)) as hand:
        await hand.shows("Overfull")
        simulator.control.clear_faults()
        await hand.press("R")
        await hand.shows("✓ retrieved")
        await hand.shows_no("Overfull")


async def test_leaving_while_a_file_is_being_sent_asks_first(simulator, open_one, sit, rows):
    rows()
    simulator.control.fault("create", Stall("before", 600))
    async with sit(open_one(simulator.url)) as hand:
        await hand.press("n")
        await hand.type("notes.jsonl")
        await hand.shows("3 requests")
        await hand.ready()
        await hand.press("enter")
        await hand.until(lambda: simulator.control.stats() and hand.app.session.tasks)
        await hand.press("escape", "q")
        await hand.shows("Leaving now cuts it off")
        await hand.press("enter")
        assert hand.app.is_running
        simulator.control.clear_faults()
        await hand.says("You can close the laptop")
        await hand.press("q")
        assert await hand.left() == 0


async def test_ten_thousand_batches_open_and_move(open_one, sit, simulator, paths):
    from batchtui.core.batches.batch import Batch, Submission
    from batchtui.core.clock import utc_now
    from batchtui.core.state.store import Store

    now = utc_now()
    with Store(paths).transaction() as tx:
        for index in range(10_000):
            name = f"job-{index:05}"
            tx.put_submission(
                Submission(ref=f"s{index}", name=name, created_at=now, requests=1, batches=(f"b{index}",))
            )
            tx.put(
                Batch(
                    ref=f"b{index}", name=name, submission=f"s{index}", submitted_at=now, requests=1, state=State.GONE
                )
            )
    async with sit(open_one(simulator.url)) as hand:
        await hand.shows("10,000 done")
        await hand.press("G")
        table = hand.app.screen.query_one(BatchTable)
        assert table.current is not None
        await hand.press("colon")
        await hand.type("job")
        found = hand.app.screen.query_one(CommandList)
        await hand.until(lambda: found.option_count >= MOST)
        await asyncio.sleep(0.2)
        assert found.option_count < MOST + 20
        await hand.press("escape", "slash")
        await hand.type("job-00777")
        await hand.until(lambda: table.matching == 1)
        await hand.press("enter", "enter")
        await hand.shows("job-00777")
