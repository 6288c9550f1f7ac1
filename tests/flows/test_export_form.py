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


async def test_a_csv_as_it_is_is_offered(state, open_one, sit):  # noqa: F811
    async with sit(open_one(NOWHERE, clock=noon), clock=noon) as hand:
        await hand.shows("next in 48s")
        await hand.press("down", "down", "e")
        await hand.shows("Will write")
        await hand.press("down", "down", "down", "down", "down")
        await hand.shows("●▌ CSV as it is")
        await hand.shows("-results.csv")
