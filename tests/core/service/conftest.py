"""A service as a person might want it, to be changed by each test."""

from pathlib import Path

import pytest

from batchtui.core.service.wanted import Wanted


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    return Wanted(
        program=("/usr/bin/env", "-I", "-m", "batchtui.tui"),
        environment={"PATH": "/usr/bin:/bin", "ANTHROPIC_BASE_URL": "https://example.com"},
        home=tmp_path,
        folders=(tmp_path / "data", tmp_path / "config"),
        log=tmp_path / "log",
        umask=0o022,
    )
