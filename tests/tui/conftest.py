"""Runs commands in the test process: the SDK is imported once, so tests of many commands are fast."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import in_this_process

if TYPE_CHECKING:
    from tests.conftest import World


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """`world.run` runs a command in this process, with everything that a separate process would get."""

    def run_here(*arguments: str, **_: Any) -> subprocess.CompletedProcess[str]:
        return in_this_process(arguments, world.environment, world.folder, monkeypatch, capfd)

    monkeypatch.setattr(world, "run", run_here)
