"""The key, with a server that echoes it wherever it can: it appears in no file, output or argument list."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from contextlib import suppress
from pathlib import Path

import pytest

from batchtui.core.errors import NO_KEY, OK, UNREACHABLE
from batchtui.core.simulator.faults import Answer
from tests.conftest import KEY, World

SAID = f"Invalid credentials: Bearer {KEY}, x-api-key={KEY}!"


def _traces() -> list[bytes]:
    """The key, and the part of it that stays the same in base64 whatever surrounds it."""
    packed = [encode(b"x" * shift + KEY.encode()) for encode in (b64encode, urlsafe_b64encode) for shift in range(3)]
    return [KEY.encode(), *(one[4:-4] for one in packed)]


def _leaks(data: bytes) -> bool:
    return any(trace in data for trace in _traces())


class Watched:
    """Runs the command line and keeps all its output, and the argument lists of all processes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said = b""
        self.arguments: set[bytes] = set()

    def run(self, *arguments: str) -> int:
        process = subprocess.Popen(
            [sys.executable, "-m", "batchtui.tui", *arguments],
            cwd=self.world.folder,
            env={**self.world.environment, "ANTHROPIC_LOG": "debug"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        while True:
            for one in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    self.arguments.add(one.read_bytes())
            try:
                self.said += process.communicate(timeout=0.3)[0]
            except subprocess.TimeoutExpired:
                continue
            return process.returncode

    def files(self) -> dict[Path, bytes]:
        """Everything under the state's folder and the folder that the commands ran in."""
        places = (self.world.home, self.world.folder)
        return {path: path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}


def test_a_trace_of_the_key_would_be_seen() -> None:
    assert _leaks(f"a {KEY} b".encode())
    for before in ("", "a", "ab"):
        assert _leaks(b64encode(f"{before}{KEY} and more".encode()))
    assert not _leaks(b"[key]")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="argument lists are read from /proc")
def test_the_key_is_in_no_file_output_or_argument_list_of_the_whole_story(world: World) -> None:
    world.control.settings(duration=600)
    watched = Watched(world)
    rows = world.rows(3)

    world.control.fault("list", Answer(401, message=SAID))
    assert watched.run("submit", str(rows)) == NO_KEY
    world.control.fault("create", Answer(500, message=SAID, accepted=True))
    assert watched.run("submit", str(rows)) == OK
    [made] = world.control.batches()
    world.control.finish(made.id)
    world.control.fault("results", Answer(500, message=SAID))
    assert watched.run("--once", "--json") == UNREACHABLE
    assert b"[key]" in world.paths.state.read_bytes()
    assert watched.run("retrieve", made.id, "--to", "out.csv") == OK

    files = watched.files()
    assert {world.paths.state, world.paths.log_file, world.paths.result(made.id), world.folder / "out.csv"} <= set(
        files
    )
    assert [path for path, content in files.items() if _leaks(content)] == []
    assert b"[key]" in files[world.paths.log_file]
    assert b"[key]" in watched.said
    assert not _leaks(watched.said)
    assert b"Question 1" not in watched.said + files[world.paths.log_file]
    assert any(b"batchtui.tui\0--once" in arguments for arguments in watched.arguments)
    assert not any(_leaks(arguments) for arguments in watched.arguments)
