"""The footer names the keys that work where the focus is."""

from __future__ import annotations

from batchtui.widgets.filter_bar import FilterBar
from tests.flows.test_screens import NOWHERE, noon, state  # noqa: F401 - a fixture


async def test_while_a_filter_is_typed_the_footer_says_how_it_is_kept_and_dropped(state, open_one, sit):  # noqa: F811
    async with sit(open_one(NOWHERE, clock=noon), clock=noon) as hand:
        await hand.shows("next in 48s")
        await hand.press("slash", "e", "slash")
        await hand.shows("enter Keep")
        footer = hand.text.rstrip().splitlines()[-1]
        assert "esc Clear" in footer
        assert "Filter" not in footer
        assert hand.app.screen.query_one(FilterBar).text == "e/"
        await hand.press("escape")
        await hand.shows("/ Filter")
        await hand.press("slash", "e", "v", "enter")
        await hand.shows("q Quit")
        assert "nightly-eval" in hand.text
        assert "round-notes" not in hand.text
