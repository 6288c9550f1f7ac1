"""Paging through results, leaving the app and starting it again: what is read, written and asked."""

import json
import re

from batchtui.core.batches.batch import State
from batchtui.tui.screens.answer import AnswerScreen
from batchtui.tui.screens.batch import BatchScreen
from batchtui.widgets.result_table import ResultTable


async def test_the_next_result_is_one_key_away_and_the_cursor_comes_along(simulator, open_one, sit, rows):
    desk = open_one(simulator.url)
    batch = await desk.submit(rows(count=3))
    async with sit(desk) as hand:
        await hand.until(lambda: hand.app.session.batch(batch.ref).state is State.RETRIEVED)
        await hand.press("enter")
        await hand.until(lambda: hand.app.screen.query_one(ResultTable).display)
        await hand.press("enter")
        await hand.until(lambda: isinstance(hand.app.screen, AnswerScreen))
        await hand.shows("1 of 3 ·")
        await hand.press("left")
        await hand.shows("This is the first result.")
        await hand.press("right")
        await hand.shows("2 of 3")
        await hand.press("l", "l")
        await hand.shows("3 of 3")
        await hand.press("escape")
        await hand.until(lambda: isinstance(hand.app.screen, BatchScreen))
        assert hand.app.screen.query_one(ResultTable).current == 2


async def test_the_ending_of_the_path_and_the_chosen_form_never_contradict(simulator, open_one, sit, rows, folder):
    desk = open_one(simulator.url)
    batch = await desk.submit(rows(count=3))
    async with sit(desk) as hand:
        await hand.until(lambda: hand.app.session.batch(batch.ref).state is State.RETRIEVED)
        await hand.press("e")
        form = hand.app.screen
        field = form.query_one("#target")
        field.focus()
        field.value = "mine.csv"
        await hand.until(lambda: form.kind == "csv")
        form.query_one("#format").focus()
        await hand.press("up")
        await hand.until(lambda: field.value == "mine.jsonl")
        field.value = "mine.db"
        await hand.until(lambda: form.kind == "sqlite")
        field.value = "mine.csv"
        await hand.until(lambda: form.kind == "csv")
        await hand.press("enter")
        await hand.until((folder / "mine.csv").exists)
        assert (folder / "mine.csv").read_text().startswith("custom_id,")


async def test_a_retry_offers_each_kind_with_its_price_and_sends_what_is_marked(simulator, open_one, sit, rows):
    simulator.control.tell("cut", "a0", "a1", "a2")
    simulator.control.tell("expired", "a3")
    desk = open_one(simulator.url)
    file = rows(count=6)
    batch = await desk.submit(file, looked=await desk.examine(file))
    async with sit(desk) as hand:
        await hand.until(lambda: hand.app.session.batch(batch.ref).state is State.RETRIEVED)
        await hand.press("t")
        await hand.shows("Send again: notes")
        assert re.search(r"3 cut off: raise max_tokens · ~\$0\.\d+, ≤\$0\.\d+", hand.words)
        assert re.search(r"1 expired · ~\$0\.\d+", hand.words)
        assert "To be sent again: 1 request (1 expired). Left out: 3 cut. That is ~$" in hand.words
        before = re.search(r"max_tokens · (~\S+ ≤\S+)", hand.words)
        await hand.press("space", "down", "space")
        await hand.says("To be sent again: 3 requests (3 cut). Left out: 1 expired. 3 cut answers would be cut again")
        await hand.press("up", "space")
        await hand.says("Mark what should be sent again")
        await hand.press("enter")
        assert len(simulator.control.batches()) == 1
        await hand.press("space", "tab", "tab")
        await hand.type("9000")
        await hand.press("enter")
        await hand.says("To be sent again: 3 requests")
        assert before and before[1] not in hand.words, "it is priced with the change"
        assert "cut again" not in hand.words
        await hand.press("enter")
        await hand.until(lambda: len(simulator.control.batches()) == 2)
    [again] = [one for one in (await desk.snapshot()).batches if one.retry_of]
    assert again.retried == {"cut": 3}
    sent = [json.loads(row)["params"] for row in desk.paths.archive(again.ref).read_bytes().splitlines()]
    assert [one["max_tokens"] for one in sent] == [9000] * 3


async def test_a_retry_of_what_failed_in_a_retry_too_is_still_one_retry(simulator, open_one, sit, rows):
    simulator.control.tell("refused", "a0")
    desk = open_one(simulator.url)
    await desk.submit(rows(count=2))
    async with sit(desk) as hand:
        for batches in (1, 2):
            await hand.until(
                lambda count=batches: (
                    [one.state for one in hand.app.session.snapshot.batches] == [State.RETRIEVED] * count
                )
            )
            await hand.press("t")
            await hand.shows("Send again: notes")
            await hand.press("space", "enter")


async def test_ascii_draws_every_screen_with_ascii_alone(simulator, open_one, sit, rows, paths):
    paths.settings.write_text("ascii = true\n")
    desk = open_one(simulator.url)
    batch = await desk.submit(rows(count=3))
    async with sit(desk, size=(140, 40)) as hand:
        await hand.until(lambda: hand.app.session.batch(batch.ref).state is State.RETRIEVED)
        for keys in (["e"], ["escape", "n"], ["escape", "question_mark"], ["escape", "L"], ["escape", "colon"]):
            await hand.press(*keys)
            await hand.pilot.pause()
            back = hand.app.screen.background_colors[1]
            drawn = hand.app.screen._compositor.render_strips()
            for wall in hand.app.get_line_filters():
                drawn = [strip.apply_filter(wall, back) for strip in drawn]
            text = "".join(strip.text for strip in drawn)
            assert text.isascii(), (keys, {char for char in text if not char.isascii()})


async def test_what_failed_is_found_among_the_results_and_read_one_after_the_other(simulator, open_one, sit, rows):
    simulator.control.settings(errored=0.5)
    desk = open_one(simulator.url)
    batch = await desk.submit(rows(count=60))
    async with sit(desk) as hand:
        await hand.until(lambda: hand.app.session.batch(batch.ref).state is State.RETRIEVED)
        failed = hand.app.session.batch(batch.ref).request_counts.failed
        await hand.press("enter")
        table = hand.app.screen.query_one(ResultTable)
        await hand.until(lambda: table.display)
        await hand.press("slash", *"errored", "enter")
        await hand.until(lambda: table.row_count == failed)
        await hand.shows(f"{failed} of 60 results shown")
        await hand.press("end", "enter")
        await hand.shows(f"{failed} of {failed}")
        assert "_error" in hand.text
        await hand.press("escape", "escape")
        await hand.until(lambda: table.row_count == 60)
        assert isinstance(hand.app.screen, BatchScreen)
        await hand.press("escape")
        await hand.until(lambda: not isinstance(hand.app.screen, BatchScreen))
