"""An end is said where the person is: a toast in the app, the terminal's title, and more while they look elsewhere."""

from __future__ import annotations

import pytest
from textual import events

from batchtui.core.state.store import Store
from tests.flows.test_toasts import lasting, said  # noqa: F401 - a fixture


@pytest.fixture
def written(monkeypatch) -> list[str]:
    """What the app sends to the terminal beside the screen."""
    sent: list[str] = []
    monkeypatch.setattr("batchtui.tui.app.BatchtuiApp.to_terminal", lambda _, sequence: sent.append(sequence))
    monkeypatch.setattr("batchtui.tui.app.os.environ", {"TERM": "foot"})
    return sent


async def test_an_end_is_a_toast_and_a_notice_only_out_of_focus(open_one, sit, simulator, rows, written):
    simulator.control.settings(duration=60.0)
    desk = open_one(simulator.url)
    first = await desk.submit(rows("a.jsonl", prefix="a"), name="[/nope]")
    second = await desk.submit(rows("b.jsonl", prefix="b"), name="second")
    async with sit(desk) as hand:
        await hand.until(lambda: "\x1b]2;batchtui: 2 under way\x1b\\" in written)
        simulator.control.finish(first.id)
        await hand.says("[/nope] ended: 3 of 3 requests succeeded.")
        await hand.until(lambda: written[-1] == "\x1b]2;✓ [/nope] ended\x1b\\")
        hand.app.post_message(events.AppBlur())
        await hand.until(lambda: not hand.app.app_focus)
        simulator.control.finish(second.id)
        await hand.says("second ended: 3 of 3 requests succeeded.")
        await hand.until(lambda: "\a" in "".join(written))
        assert written[-1] == "\a\x1b]777;notify;batchtui;second ended: 3 of 3 requests succeeded.\x1b\\"
        hand.app.post_message(events.AppFocus())
        await hand.until(lambda: written[-1] == "\x1b]2;batchtui\x1b\\")
    assert "".join(written).count("\a") == 1


async def test_without_desktop_notices_an_end_is_a_toast_alone(open_one, sit, simulator, rows, written, paths):
    paths.settings.write_text("desktop_notices = false\n")
    simulator.control.settings(duration=60.0)
    desk = open_one(simulator.url)
    batch = await desk.submit(rows())
    async with sit(desk) as hand:
        await hand.shows("1 running")
        hand.app.post_message(events.AppBlur())
        simulator.control.finish(batch.id)
        await hand.says("notes ended: 3 of 3 requests succeeded.")
    assert written == []


async def test_the_copy_at_the_api_goes_once_the_user_agrees(open_one, sit, simulator, rows):
    desk = open_one(simulator.url)
    batch = await desk.submit(rows())
    simulator.control.finish(batch.id)
    async with sit(desk) as hand:
        await hand.shows("✓ retrieved")
        await hand.press("X")
        await hand.says("Delete the API's copy of notes? No other machine, tool or person can download it then.")
        await hand.says("3 results on this machine stay.")
        await hand.press("enter")  # the harmless answer
        assert len(simulator.control.batches()) == 1
        await hand.press("X", "y")
        await hand.says("The API's copy of notes is deleted; the results stay here.")
        assert simulator.control.batches() == []


async def test_a_copy_whose_results_were_changed_here_stays(open_one, sit, simulator, rows, paths):
    desk = open_one(simulator.url)
    batch = await desk.submit(rows())
    simulator.control.finish(batch.id)
    async with sit(desk) as hand:
        await hand.shows("✓ retrieved")
        paths.result(batch.id).write_bytes(b"")
        await hand.press("X", "y")
        await hand.says("were changed since they were verified.")
    assert len(simulator.control.batches()) == 1
    assert Store(paths).snapshot().batches[0].remote_deleted_at is None
