"""What the user feels: the first paint in a real terminal, and a key press under load."""

from __future__ import annotations

import asyncio
import gc
import os
import pty
import select
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from msgspec.structs import replace
from textual import events

from batchtui.core import paths
from batchtui.core.batches.remote import Counts
from batchtui.core.desk.desk import open_desk
from batchtui.core.results.retrieve import retrieve
from batchtui.core.state.store import Store
from tests.bench.empty import WORD
from tests.bench.measure import ROOT, tell
from tests.bench.server import ID
from tests.bench.transfer import api, batch_of, clock


def first_paint(which: str) -> None:
    """Seconds from the start of the process until the first batch shows on a 140x40 terminal."""
    script = {
        "empty": "from tests.bench.empty import Empty; Empty().run()",
        "ours": "from batchtui.tui.__main__ import main; main()",
    }[which]
    master, slave = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    wall = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.argv = ['batchtui']; {script}"],
        cwd=ROOT,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    seen = b""
    while WORD.encode() not in seen and time.perf_counter() - wall < 20:
        if select.select([master], [], [], 0.01)[0]:
            seen = seen[-4096:] + os.read(master, 65536)
    took = time.perf_counter() - wall
    loaded = Path(f"/proc/{process.pid}/maps").read_text().count("pydantic_core") > 0
    process.kill()
    process.wait()
    if WORD.encode() not in seen:
        raise RuntimeError("nothing was painted")
    tell(took, 0.0, sdk_loaded=loaded)


async def keys() -> None:
    """Presses a key while another process changes 1,000 batches a second and results download; 95th percentile."""
    from batchtui.tui.app import BatchtuiApp

    gc.disable()  # as the command line does until the app has started
    where = paths.find_paths()
    client = api()
    batch = batch_of(await client.get(ID), "bench")
    desk = open_desk(where, os.environ, command="bench", interval=3600)
    app = BatchtuiApp(desk)
    stop = threading.Event()
    other = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.screen", "changes", cwd=ROOT)

    async def downloads() -> None:
        while not stop.is_set():
            where.result(ID).unlink(missing_ok=True)
            await retrieve(client, where, batch, clock)

    try:
        async with app.run_test(size=(140, 40)) as pilot:
            await pilot.pause(1.5)
            paints: list[float] = []
            display = app._display

            def painted(*arguments: object) -> None:
                display(*arguments)  # type: ignore[arg-type]
                paints.append(time.perf_counter())

            app._display = painted  # type: ignore[method-assign, assignment]
            background = asyncio.ensure_future(downloads())
            await asyncio.sleep(0.5)
            took = []
            for turn in range(120):
                paints.clear()
                pressed = time.perf_counter()
                app.post_message(events.Key("down" if turn % 40 < 20 else "up", None))
                while not paints and time.perf_counter() - pressed < 2:  # noqa: ASYNC110 - a paint sets no event
                    await asyncio.sleep(0.001)
                took.append(time.perf_counter() - pressed)
                await asyncio.sleep(0.05)
            stop.set()
            await background
    finally:
        other.kill()
        await other.wait()
        await desk.close()
    took.sort()
    tell(took[int(len(took) * 0.95)], 0.0, median=statistics.median(took), longest=took[-1])


def changes() -> None:
    """Runs in another process and changes 1,000 batches of the state each second."""
    store = Store(paths.find_paths())
    turn = 0
    while True:
        turn += 1
        with store.transaction() as transaction:
            for batch in transaction.snapshot.batches[:1000]:
                transaction.put(
                    replace(batch, request_counts=Counts(processing=1000 - turn % 1000, succeeded=turn % 1000))
                )
        time.sleep(1.0)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["first-paint", which]:
            first_paint(which)
        case ["keys"]:
            asyncio.run(keys())
        case ["changes"]:
            changes()
