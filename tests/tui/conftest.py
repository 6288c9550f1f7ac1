"""Runs commands in the test process: the SDK is imported once, so tests of many commands are fast."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from batchtui.core.logs import log
from batchtui.tui.cli.main import run

if TYPE_CHECKING:
    from tests.conftest import World


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """`world.run` runs a command in this process, with everything that a separate process would get."""

    def run_here(*arguments: str, **_: Any) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch:
            for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
                patch.delenv(name, raising=False)
            for name, value in world.environment.items():
                patch.setenv(name, value)
            patch.chdir(world.folder)
            capfd.readouterr()
            code = run(list(arguments))
        for handler in log.handlers[:]:
            log.removeHandler(handler)
            handler.close()
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, out, err)

    monkeypatch.setattr(world, "run", run_here)
