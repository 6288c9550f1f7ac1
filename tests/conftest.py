"""What most tests need: a simulator to talk to, and a state in a temporary folder.

The simulator is one process that all tests of a run share; `world` empties it for each test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batchtui.core import paths
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.simulator.control import Control
from batchtui.core.simulator.process import Running, start_process
from batchtui.core.simulator.world import SimulatorSettings
from batchtui.tui.cli.main import run
from tests.json_output import held

KEY = "sk-ant-canary-5up3rs3cr3t-0001"
"""A marked key: no file, log, output or argument list may ever hold it."""

PATIENCE = 120.0
"""Seconds after which a test stops waiting for something, long enough for a slow machine."""


def until(held: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Waits until something holds. Raises AssertionError if it does not hold within `seconds`."""
    limit = time.monotonic() + seconds
    while not held():
        assert time.monotonic() < limit, f"it did not hold within {seconds:g} s"
        time.sleep(0.01)


def in_this_process(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> subprocess.CompletedProcess[str]:
    """Runs a command line in this process, with everything that a separate process would get."""
    with monkeypatch.context() as patch:
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        capfd.readouterr()
        code = run(list(arguments))
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()
    out, err = capfd.readouterr()
    held(list(arguments), code, out, folder)
    return subprocess.CompletedProcess(list(arguments), code, out, err)


@dataclass
class World:
    """One test's state, environment and simulator."""

    home: Path
    folder: Path
    url: str
    control: Control

    @property
    def paths(self) -> Paths:
        return paths.find_paths(self.environment)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
        ours = {"BATCHTUI_HOME": str(self.home), "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": self.url}
        return {**kept, **ours, "HOME": str(self.home.parent)}

    def desk(self, command: str = "batchtui test", interval: float | None = 0.2, **settings: Any) -> Desk:
        """A desk on this state; `settings` go into config.toml."""
        if settings:
            self.configure(**settings)
        return open_desk(self.paths, self.environment, command=command, interval=interval, folder=self.folder)

    def configure(self, **settings: Any) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        (self.home / "config.toml").write_text("\n".join(lines) + "\n")

    def rows(self, count: int = 5, name: str = "rows.jsonl", prefix: str = "req-") -> Path:
        """A valid file of requests."""
        path = self.folder / name
        with path.open("w") as file:
            for number in range(count):
                params = {
                    "model": "claude-haiku-5-5",
                    "max_tokens": 64,
                    "messages": [{"role": "user", "content": f"Question {number} of {name}"}],
                }
                file.write(json.dumps({"custom_id": f"{prefix}{number}", "params": params}) + "\n")
        return path

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Starts the command line as a separate process."""
        return subprocess.Popen(
            [sys.executable, "-m", "batchtui.tui", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *arguments: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Runs the command line until it ends."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=timeout)
        held(list(arguments), process.returncode, out, self.folder)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def once(self) -> tuple[int, dict[str, Any]]:
        """`--once --json`: the exit code and the object."""
        ended = self.run("--once", "--json")
        return ended.returncode, json.loads(ended.stdout)


@pytest.fixture(scope="session", autouse=True)
def surroundings() -> None:
    """Removes what the tests' surroundings may bring along: no proxy in front of a simulator, and a working SIGINT,
    because a process that a shell starts in the background ignores it and passes that on."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def simulator() -> Iterator[Running]:
    with start_process(SimulatorSettings(duration=0.3)) as running:
        yield running


@pytest.fixture
def world(simulator: Running, tmp_path: Path) -> World:
    """An empty simulator whose batches end after 0.3 s, and an empty state."""
    simulator.control.reset()
    folder = tmp_path / "work"
    folder.mkdir()
    return World(tmp_path / "home", folder, simulator.url, simulator.control)


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """`world.run` runs a command in this process, with everything that a separate process would get: the SDK is
    imported once, so tests of many commands are fast."""

    def run_here(*arguments: str, **_: Any) -> subprocess.CompletedProcess[str]:
        return in_this_process(arguments, world.environment, world.folder, monkeypatch, capfd)

    monkeypatch.setattr(world, "run", run_here)
