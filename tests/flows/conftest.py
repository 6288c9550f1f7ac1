"""A real desk with its own state, a real simulator, the real app, and its screen as text."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual import events
from textual.pilot import Pilot
from textual.widgets import Button

from batchtui.core.clock import utc_now
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.paths import Paths
from batchtui.core.simulator.process import Running, start_process
from batchtui.core.simulator.world import SimulatorSettings
from batchtui.tui.app import BatchtuiApp
from tests.conftest import PATIENCE

KEY = "sk-ant-flow-0000"


TURNS = 20
"""More than the number of widgets and screens that a key press and its effects pass through, one per turn."""


class Hand:
    """A user at the keyboard of a running app."""

    def __init__(self, app: BatchtuiApp, pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def text(self) -> str:
        """The text on the screen, line by line."""
        return "\n".join(strip.text.rstrip() for strip in self.app.screen._compositor.render_strips()) + "\n"

    @property
    def words(self) -> str:
        """The same without line ends and frames, so that wrapped text is in one piece."""
        return " ".join(re.sub("[│▌▏]", " ", self.text).split())

    async def press(self, *keys: str) -> None:
        """Presses the keys one by one, each once the effects of the last are done, however slow the machine is."""
        for key in keys:
            await self.app._press_keys((key,))
            await self.settled()

    async def type(self, text: str) -> None:
        """Puts a text into the field with the focus, as a paste does."""
        self.app.screen.post_message(events.Paste(text))
        await self.settled()

    async def settled(self) -> None:
        """Waits until no widget has a message left, or for enough turns for a key to have had all its effects.

        The pilot goes by how busy the processor is, which says nothing while other processes use it.
        """
        quiet = 0
        for _ in range(TURNS):
            if quiet == 3 or not self._runs:
                break
            pumps = [self.app, *self.app.screen.walk_children(with_self=True)]
            done: list[int] = []
            asked = [pump for pump in pumps if pump.call_later(done.append, id(pump))]
            limit = time.monotonic() + PATIENCE
            while self._runs and not all(id(pump) in done or pump._closed for pump in asked):
                assert time.monotonic() < limit, self.text
                await asyncio.sleep(0.001)
            quiet = 0 if any(pump.message_queue_size for pump in pumps) else quiet + 1

    async def left(self) -> int | None:
        """Waits until the app has exited. Returns its return value."""
        limit = time.monotonic() + PATIENCE
        while self._runs:
            assert time.monotonic() < limit, self.text
            await asyncio.sleep(0.03)
        return self.app.return_value

    @property
    def _runs(self) -> bool:
        return self.app.is_running and not self.app._exit and self.app._exception is None

    async def ready(self) -> None:
        """Waits until the form accepts Enter: its file is read, and the API has been asked about it."""
        await self.until(lambda: not self.app.screen.query_one("#act", Button).disabled)

    async def until(self, held: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Waits until a condition holds. If it never does, the error message has the screen."""
        limit = time.monotonic() + seconds
        while not held():
            assert time.monotonic() < limit, self.text
            await asyncio.sleep(0.03)
        await self.pilot.pause()

    async def shows(self, text: str, seconds: float = PATIENCE) -> None:
        await self.until(lambda: text in self.text, seconds)

    async def says(self, text: str) -> None:
        """The same for text that may wrap, such as that of a toast or a dialog."""
        await self.until(lambda: text in self.words)

    async def shows_no(self, text: str, seconds: float = PATIENCE) -> None:
        await self.until(lambda: text not in self.text, seconds)


@pytest.fixture(scope="session")
def simulated() -> Iterator[Running]:
    with start_process(SimulatorSettings(duration=0.4)) as running:
        yield running


@pytest.fixture
def simulator(simulated: Running) -> Running:
    """The simulator, reset: batches last 0.4 seconds unless a test says otherwise."""
    simulated.control.reset()
    simulated.control.clear_faults()
    simulated.control.settings(duration=0.4)
    return simulated


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the app is started in."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return Paths(data=home, config=home, log=home)


class Desks:
    """Opens desks on one shared state. If `url` is None, there is no key."""

    def __init__(self, paths: Paths, folder: Path) -> None:
        self._paths = paths
        self._folder = folder
        self.opened: list[Desk] = []

    def __call__(
        self, url: str | None = None, *, command: str = "batchtui", clock: Callable[[], datetime] = utc_now
    ) -> Desk:
        environment = {"HOME": str(self._folder)}
        if url:
            environment |= {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url}
        self.opened.append(open_desk(self._paths, environment, command=command, interval=0.2, clock=clock))
        return self.opened[-1]

    async def close(self, desk: Desk) -> None:
        self.opened.remove(desk)
        await desk.close()


@pytest.fixture
async def open_one(paths: Paths, folder: Path) -> AsyncIterator[Desks]:
    desks = Desks(paths, folder)
    yield desks
    for desk in tuple(desks.opened):
        await desks.close(desk)


@asynccontextmanager
async def _sitting(
    desk: Desk, size: tuple[int, int] = (80, 24), clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[Hand]:
    app = BatchtuiApp(desk, clock)
    async with app.run_test(size=size, notifications=True) as pilot:
        hand = Hand(app, pilot)
        await hand.until(lambda: len(app.screen_stack) > 1)
        yield hand


Sit = Callable[..., AbstractAsyncContextManager[Hand]]


@pytest.fixture
def sit() -> Sit:
    """Runs the app on a desk, with a user in front of it: `async with sit(desk) as hand`."""
    return _sitting


@pytest.fixture
def rows(folder: Path) -> Callable[..., Path]:
    """Writes files of valid requests into the folder."""

    def write(name: str = "notes.jsonl", count: int = 3, prefix: str = "a", text: str = "hello") -> Path:
        messages = [{"role": "user", "content": text}]
        params = {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": messages}
        lines = (json.dumps({"custom_id": f"{prefix}{index}", "params": params}) for index in range(count))
        path = folder / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


class _Text(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def golden(snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> Iterator[SnapshotAssertion]:
    """Compares a screen with the accepted one, a text file. Local times are UTC during the test."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield snapshot.use_extension(_Text)
    monkeypatch.undo()
    time.tzset()
