"""Toasts: they never cover a question, and none is shown twice at once."""

from __future__ import annotations

import pytest
from textual.widgets._toast import Toast

from batchtui.tui.screens.confirm import ConfirmScreen
from tests.flows.test_screens import NOWHERE, noon, state  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def lasting(monkeypatch):
    """Toasts stay until a test has read them, however slow the machine is."""
    monkeypatch.setattr("batchtui.tui.safe_app.GOOD", 600.0)


def said(hand) -> list[str]:
    return [str(toast.render()) for toast in hand.app.screen.query(Toast)]


async def test_toasts_leave_a_question_and_its_answers_free(state, open_one, sit):  # noqa: F811
    async with sit(open_one(NOWHERE, clock=noon), clock=noon) as hand:
        await hand.shows("next in 48s")
        await hand.press("r", "e", "D", "y")  # each is refused for its own reason, or says what it did
        await hand.until(lambda: len(said(hand)) > 1)
        await hand.press("x")
        await hand.until(lambda: isinstance(hand.app.screen, ConfirmScreen) and said(hand))
        for width, height in ((80, 24), (60, 15), (40, 10)):
            await hand.pilot.resize_terminal(width, height)
            await hand.pilot.pause()
            for name in ("#question", "#act", "#safe"):
                widget = hand.app.screen.query_one(name)
                inside = widget.content_region
                corners = (inside.offset, inside.bottom_right - (1, 1))
                assert all(hand.app.screen.get_widget_at(*corner)[0] is widget for corner in corners), hand.text


async def test_what_stands_there_already_is_not_said_a_second_time(state, open_one, sit):  # noqa: F811
    async with sit(open_one(NOWHERE, clock=noon), clock=noon) as hand:
        await hand.shows("next in 48s")
        for _ in range(3):
            await hand.press("r")
            await hand.until(lambda: said(hand))
        await hand.press("D")
        await hand.until(lambda: len(said(hand)) > 1)
        assert [text[:13] for text in said(hand)] == ["Still running", "It is still r"]
        for width in range(76, 84):  # the first one takes one or two lines
            await hand.pilot.resize_terminal(width, 24)
            await hand.says("when the whole batch has ended. ")
            await hand.says("It is still running: cancel it first.")


async def test_a_toast_takes_no_more_of_the_table_than_its_words(state, open_one, sit):  # noqa: F811
    async with sit(open_one(NOWHERE, clock=noon), clock=noon) as hand:
        await hand.shows("next in 48s")
        await hand.press("D")
        await hand.shows("It is still running: cancel it first.")
        (toast,) = hand.app.screen.query(Toast)
        assert toast.region.height == 1
        await hand.pilot.resize_terminal(39, 9)
        await hand.shows("at least 40")
        assert "cancel it first" not in hand.text


async def test_a_long_name_does_not_push_the_reason_out_of_a_toast(open_one, sit, simulator, rows):
    simulator.control.settings(duration=60.0)
    desk = open_one(simulator.url)
    for prefix in "ab":
        await desk.submit(rows(f"{prefix}.jsonl", prefix=prefix), name=prefix * 100 + "n" * 300)
    async with sit(desk) as hand:
        await hand.shows("2 running")
        await hand.press("space", "space", "r")
        await hand.says("Still running: the API")
