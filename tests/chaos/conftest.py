"""A hostile host, and the product on one state before it: in this process, or as processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.hostile_host import Host, Reply, hosting, instead
from tests.conftest import PATIENCE, World, in_this_process
from tests.json_output import held

KEY, OTHER = "sk-ant-first-0001", "sk-ant-second-0002"

Run = Callable[[dict[str, str], tuple[str, ...]], "subprocess.CompletedProcess[str]"]


class Shop:
    """Commands on one state, with the hostile host for an API."""

    def __init__(self, host: Host, world: World, run: Run) -> None:
        self.host = host
        self.world = world
        self._run = run

    def run(self, *arguments: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
        ours = {"ANTHROPIC_BASE_URL": self.host.url, "ANTHROPIC_API_KEY": key}
        return self._run({**self.world.environment, **ours}, arguments)

    def json(self, *arguments: str, key: str = KEY) -> tuple[int, Any]:
        ended = self.run(*arguments, "--json", key=key)
        return ended.returncode, json.loads(ended.stdout)

    def rows(self, count: int = 5, name: str = "rows.jsonl") -> Path:
        return self.world.rows(count, name)

    def listed(self) -> list[tuple[str | None, str]]:
        """The id and the state of each batch."""
        return [(one["id"], one["state"]) for one in self.json("list")[1]["batches"]]

    def states(self) -> list[str]:
        return [state for _, state in self.listed()]

    def lose_the_answer(self, rows: Path | None = None) -> str:
        """Submits a file whose create is accepted, and answered by a proxy; from then on no list can be read."""
        self.host.lie("create", instead(Reply.html(502)))
        before = self.host.calls("create")
        self.host.always["list"] = lambda host, key, true: Reply.html(502) if host.calls("create") > before else None
        path = str(rows or self.rows())
        assert self.run("submit", path).returncode == 6
        self.host.always.clear()
        return path


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as host:
        yield host


@pytest.fixture
def shop(host: Host, world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Shop:
    """In this process, so that the SDK is imported once."""

    def here(environment: dict[str, str], arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return in_this_process(arguments, environment, world.folder, monkeypatch, capfd)

    monkeypatch.setattr("batchtui.core.sending.send._SETTLE_AFTER", (0.0,))
    return Shop(host, world, here)


@pytest.fixture
def processes(host: Host, world: World) -> Shop:
    """Each command is a process."""

    def apart(environment: dict[str, str], arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [sys.executable, "-m", "batchtui.tui", *arguments],
            cwd=world.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        held(arguments, ended.returncode, ended.stdout, world.folder)
        return ended

    return Shop(host, world, apart)
