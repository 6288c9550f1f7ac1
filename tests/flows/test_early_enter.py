"""Enter on the form while the API is still being asked: it is kept, and only covers what the form showed."""

from __future__ import annotations

import pytest

from batchtui.core.simulator.faults import Stall
from batchtui.tui.screens.submit import SubmitScreen
from tests.conftest import PATIENCE

ASKED = "Asking the API about the models."
KEPT = "Will be sent once the API answers."


@pytest.fixture(autouse=True)
def asked(simulator, monkeypatch):
    """The API does not answer about models until a test lets it, however long that takes."""
    monkeypatch.setattr("batchtui.tui.screens.submit.ASKED_FOR", PATIENCE)
    simulator.control.fault("models", Stall("before", 600), times=None)


async def kept(hand) -> None:
    await hand.press("n")
    await hand.type("notes.jsonl")
    await hand.says(ASKED)
    await hand.press("enter")
    await hand.says(KEPT)


async def test_enter_while_the_api_is_asked_sends_once_it_has_answered(simulator, open_one, sit, rows):
    rows()
    async with sit(open_one(simulator.url)) as hand:
        await kept(hand)
        assert simulator.control.calls("create") == []
        simulator.control.clear_faults()
        await hand.says("You can close the laptop")
        assert [one.requests for one in simulator.control.batches()] == [3]


async def test_an_enter_that_was_kept_sends_nothing_that_the_form_had_not_said(simulator, open_one, sit, rows):
    path = rows()
    path.write_text(path.read_text().replace("claude-sonnet-5-5", "claude-opus-4-5"))
    async with sit(open_one(simulator.url)) as hand:
        await kept(hand)
        simulator.control.clear_faults()
        await hand.says("is deprecated")
        await hand.ready()
        assert isinstance(hand.app.screen, SubmitScreen)
        assert simulator.control.calls("create") == []


async def test_an_enter_that_was_kept_is_for_that_file_alone(simulator, open_one, sit, rows):
    rows()
    rows("other.jsonl", prefix="b")
    async with sit(open_one(simulator.url)) as hand:
        await kept(hand)
        hand.app.screen.query_one("#path").value = "other.jsonl"
        await hand.says(ASKED)
        simulator.control.clear_faults()
        await hand.ready()
        assert simulator.control.calls("create") == []
