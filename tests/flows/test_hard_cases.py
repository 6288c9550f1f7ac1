"""No key, a state that cannot be read, hostile text, remapped keys, a bug in batchtui."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import State, Trouble
from batchtui.core.clock import utc_now
from batchtui.core.simulator.faults import Damage
from batchtui.core.state.store import Store
from batchtui.tui.app import BatchtuiApp
from batchtui.tui.screens.batch import BatchScreen
from batchtui.tui.screens.batches import BatchesScreen
from batchtui.tui.screens.help import HelpScreen
from batchtui.widgets.batch_table import BatchTable

HOSTILE = (
    "[/x] [@click=app.quit]a[/] \x1b]52;c;eA==\x07\x1b[2J\u202egnp.exe\u202c "
    "\u6f22\u5b57 \U0001f469\u200d\U0001f4bb \x9b31m\u2028"
)


def controls(text: str) -> set[str]:
    """The characters of a screen that could control a terminal, or be invisible."""
    bad = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {repr(c) for c in text if c not in "\n\u200c\u200d" and unicodedata.category(c) in bad}


async def test_hostile_text_is_inert_on_every_screen(simulator, open_one, sit, rows, paths):
    simulator.control.lay_down(
        "a0",
        {
            "type": "succeeded",
            "message": {
                "id": "msg_1", "type": "message", "role": "assistant", "model": HOSTILE,
                "content": [{"type": "text", "text": f"{HOSTILE} whole answer {'x' * 10_000}"}],
                "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
            },
        },
    )  # fmt: skip
    desk = open_one(simulator.url)
    ref = (await desk.submit(rows(count=2), name=HOSTILE)).ref
    async with sit(desk, size=(140, 30)) as hand:
        seen = []

        async def look(text):
            await hand.shows(text)
            seen.append(hand.text)

        await look("retrieved")
        with Store(paths).transaction() as tx:
            tx.put(replace(tx.batch(ref), trouble=Trouble(HOSTILE, HOSTILE, utc_now())))
        await look("1 needs you")
        await hand.press("L")
        await look("Activity")
        await hand.press("escape", "e")
        await look("Will write")
        await hand.press("escape", "D")
        await look("Forget batch")
        await hand.press("escape", "colon")
        await hand.type("go to")
        await look("Go to:")
        await hand.press("escape", "n")
        await hand.type(f"/nowhere/{HOSTILE}")
        await look("nothing is sent")
        await hand.press("escape", "y")
        await look("lipboard")
        await hand.press("enter")
        await look("custom_id")
        await hand.press("enter")
        await look("whole answer")
        assert hand.app.is_running
    assert {c for text in seen for c in controls(text)} == set()
    assert all("[/x]" in text or "Activity" in text for text in seen[:2])


async def test_without_a_key_what_is_saved_can_be_looked_at_and_exported(simulator, open_one, sit, rows, folder):
    desk = open_one(simulator.url)
    ref = (await desk.submit(rows())).ref
    simulator.control.finish(simulator.control.batches()[0].id)
    await desk.retrieve(ref)
    await open_one.close(desk)
    async with sit(open_one()) as hand:
        await hand.shows("No API key was found")
        await hand.press("escape")
        await hand.shows("no API key")
        await hand.press("e", "tab", "enter")
        await hand.shows("Exported 3 results")
        assert (folder / "notes-results.jsonl").exists()


async def test_a_state_that_cannot_be_read_is_said_and_left_as_it_is(open_one, sit, paths):
    paths.state.write_text("{ torn")
    async with sit(open_one("http://127.0.0.1:9")) as hand:
        await hand.shows("batchtui cannot start")
        await hand.shows("was left unchanged")
        await hand.press("q")
        assert await hand.left() == 0
    assert paths.state.read_text() == "{ torn"


async def test_a_state_that_becomes_unreadable_is_said_and_the_app_lives(simulator, open_one, sit, rows, paths):
    desk = open_one(simulator.url)
    await desk.submit(rows())
    async with sit(desk) as hand:
        await hand.shows("✓ retrieved")
        good = paths.state.read_bytes()
        paths.state.write_text("{ torn")
        await hand.until(lambda: hand.app.session.trouble)
        assert "notes" in hand.text
        paths.state.write_bytes(good)
        await hand.until(lambda: not hand.app.session.trouble)


async def test_keys_are_remapped_by_the_settings_and_the_help_shows_the_new_ones(open_one, sit, paths):
    paths.settings.write_text('[keys]\nhelp = "f1"\nlog = "l,ctrl+l"\n')
    async with sit(open_one("http://127.0.0.1:9"), size=(140, 60)) as hand:
        await hand.press("question_mark")
        assert isinstance(hand.app.screen, BatchesScreen)
        await hand.press("f1")
        assert isinstance(hand.app.screen, HelpScreen)
        assert "f1" in hand.text
        assert "l ctrl+l" in hand.text


async def test_sorting_and_clearing_by_keys(simulator, open_one, sit, rows):
    desk = open_one(simulator.url)
    for name in ("bb", "cc", "aa"):
        await desk.submit(rows(f"{name}.jsonl", prefix=name))
    async with sit(desk) as hand:
        table = hand.app.screen.query_one(BatchTable)
        keys = [column.key for column in table.columns]
        for key in keys[: keys.index("name") + 1]:
            await hand.press("s")
            assert table.sort_column == key
        names = {batch.ref: batch.name for batch in hand.app.session.snapshot.batches}
        assert [names[ref] for ref in table.visible_keys] == ["aa", "bb", "cc"]
        await hand.press("S")
        assert [names[ref] for ref in table.visible_keys] == ["cc", "bb", "aa"]
        await hand.press("space")
        assert len(table.marked) == 1
        await hand.press("escape")
        assert table.marked == set()
        for _ in table.columns:
            await hand.press("s")
            assert table.sort_column in {None, *table.shown_columns}  # never by a column that is not on the screen


async def test_a_batch_that_another_process_forgot_closes_its_screen(simulator, open_one, sit, rows):
    desk = open_one(simulator.url)
    ref = (await desk.submit(rows())).ref
    async with sit(desk) as hand:
        await hand.shows("✓ retrieved")
        await hand.press("enter")
        await hand.until(lambda: isinstance(hand.app.screen, BatchScreen))
        await open_one(simulator.url).forget(ref)
        await hand.shows("No batches yet")


async def test_a_damaged_download_is_said_on_the_row_and_the_next_look_mends_it(simulator, open_one, sit, rows):
    desk = open_one(simulator.url)
    simulator.control.fault("results", Damage("omit"), times=None)
    await desk.submit(rows(count=5))
    async with sit(desk, size=(140, 30)) as hand:
        await hand.until(lambda: hand.app.session.snapshot.batches[0].trouble)
        simulator.control.clear_faults()
        await hand.until(lambda: hand.app.session.snapshot.batches[0].state is State.RETRIEVED)
        assert any("1 result is missing" in entry.text for entry in hand.app.session.activity)


async def test_a_fault_of_our_own_ends_the_app_without_showing_what_its_variables_hold(open_one, capsys, monkeypatch):
    def broken(self):
        secret = "the prompt of a customer"
        raise RuntimeError(f"about {len(secret)}")

    monkeypatch.setattr(BatchtuiApp, "action_pause", broken)
    app = BatchtuiApp(open_one("http://127.0.0.1:9"))
    with pytest.raises(RuntimeError):
        async with app.run_test() as pilot:
            await pilot.press("p")
    said = "".join(capsys.readouterr())
    assert "Something in batchtui broke" in said
    assert "the prompt of a customer" not in said
    assert app.return_code == 1


def test_the_app_is_there_before_the_sdk_is_imported():
    code = "import sys, batchtui.tui.app; print([m for m in ('anthropic', 'httpx2', 'starlette') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
