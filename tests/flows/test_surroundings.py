"""What the app takes from its surroundings: a key that appears, the time zone, contradictory settings."""

import asyncio
import threading
import time

from batchtui.core.lock import Lock
from batchtui.tui import run_app


async def test_a_key_is_looked_for_off_the_event_loop_and_found_when_it_appears(
    simulator, open_one, sit, folder, monkeypatch
):
    desk = open_one()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.url)
    found, threads = desk.key, set()

    def key():
        threads.add(threading.current_thread())
        return found()

    monkeypatch.setattr(desk, "key", key)
    async with sit(desk) as hand:
        await hand.shows("No API key was found")
        await hand.press("escape")
        await hand.shows("no API key")
        (folder / ".env").write_text("ANTHROPIC_API_KEY=sk-ant-of-a-file\n")
        await hand.shows("No batches yet")
        await hand.shows_no("no API key")
    assert threads
    assert threading.main_thread() not in threads


async def test_moments_are_told_in_the_zone_of_the_person(simulator, open_one, sit, rows, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        desk = open_one(simulator.url)
        await desk.submit(rows())
        async with sit(desk) as hand:
            await hand.shows("notes")
            await hand.press("enter")
            await hand.shows("JST")
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_a_key_that_cannot_work_is_said_at_the_start(open_one, sit, paths):
    paths.settings.write_text('[keys]\nretrieve = "g"\nnew = "a"\n')
    async with sit(open_one(), size=(140, 40)) as hand:
        await hand.says("the key g, which moves in the table")
        await hand.press("escape")
        await hand.shows("a checks a file")


async def test_leaving_says_what_it_waits_for_where_another_process_holds_the_state(
    simulator, open_one, rows, paths, capsys, monkeypatch
):
    monkeypatch.setattr(run_app, "_PATIENCE", 0.05)
    desk = open_one(simulator.url)
    batch = await desk.submit(rows())
    lock = Lock(paths.state_lock)
    lock.acquire(10)
    forgetting = asyncio.ensure_future(desk._disk.change(batch.ref, lambda current: current))
    open_one.opened.remove(desk)
    closing = asyncio.ensure_future(run_app._closed(desk))
    err = ""
    while not err:
        await asyncio.sleep(0.02)
        err = capsys.readouterr().err
    lock.release()
    await asyncio.gather(forgetting, closing)
    assert "another batchtui" in err


async def test_on_a_narrow_screen_every_key_of_the_footer_is_there(open_one, sit):
    async with sit(open_one(), size=(60, 15)) as hand:
        await hand.shows("No API key was found")
        await hand.press("escape")
        await hand.shows("q Quit")
        await hand.pilot.resize_terminal(80, 24)
        await hand.shows(" n New  r Retrieve ")


async def test_the_filter_says_how_much_it_lets_through(simulator, open_one, sit, rows):
    desk = open_one(simulator.url)
    for name in ("alpha", "beta", "gamma"):
        await desk.submit(rows(f"{name}.jsonl", prefix=name))
    async with sit(desk) as hand:
        await hand.press("slash", "b", "e", "t")
        await hand.shows("1 of 3")
        await hand.press("escape")
        await hand.shows_no("1 of 3")
