"""The export form."""

from __future__ import annotations

from textual.widgets import Input

from tests.flows.test_screens import NOWHERE, noon, state  # noqa: F401 - a fixture


async def test_the_field_for_a_path_is_gone_on_with_at_its_end_whatever_form_was_chosen(state, open_one, sit):  # noqa: F811
    async with sit(open_one(NOWHERE, clock=noon), clock=noon) as hand:
        await hand.shows("next in 48s")
        await hand.press("down", "down", "e")
        await hand.shows("Will write")
        await hand.press("down", "down", "down", "down", "tab")
        field = hand.app.screen.query_one("#target", Input)
        await hand.until(lambda: field.value.endswith(".md"))
        assert field.cursor_position == len(field.value)


async def test_a_place_that_will_be_refused_is_said_as_it_is_typed(simulator, open_one, sit, rows):
    desk = open_one(simulator.url)
    path = rows("mine.jsonl", 2, "req-")
    before = path.read_bytes()
    batch = await desk.submit(path)
    await desk.wait(batch.submission)
    async with sit(desk) as hand:
        await hand.shows("mine")
        await hand.press("e")
        await hand.says("Will write")
        field = hand.app.screen.query_one("#target", Input)
        field.value = "mine.jsonl"
        await hand.says("is the file that was submitted. No output replaces it.")
        assert "Will write" not in hand.words
        field.value = str(desk.paths.state)
        await hand.says("is where batchtui keeps its own files.")
        assert "Will write" not in hand.words
        field.value = "other.jsonl"
        await hand.says("Will write")
        field.value = "mine.jsonl"
        field.focus()
        await hand.press("enter")
        await hand.says("No output replaces it.")
    assert path.read_bytes() == before


async def test_a_csv_as_it_is_is_offered(state, open_one, sit):  # noqa: F811
    async with sit(open_one(NOWHERE, clock=noon), clock=noon) as hand:
        await hand.shows("next in 48s")
        await hand.press("down", "down", "e")
        await hand.shows("Will write")
        await hand.press("down", "down", "down", "down", "down")
        await hand.shows("●▌ CSV as it is")
        await hand.shows("-results.csv")
