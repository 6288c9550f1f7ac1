"""What a pipe gives is copied to be read more than once: no copy of the prompts outlives the command for long."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batchtui.core.desk import leftovers
from batchtui.core.state.store import Store
from batchtui.core.state.store_thread import StoreThread
from tests.conftest import World, until


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def copies(world: World, temporary: Path) -> list[Path]:
    return [one for folder in (temporary, world.paths.requests) for one in folder.rglob("rows.pipe")]


@contextmanager
def reading(world: World, temporary: Path, command: str) -> Iterator[tuple[int, Path]]:
    """A command that reads a pipe into which nobody writes any more, and its copy."""
    pipe = world.folder / "rows.pipe"
    os.mkfifo(pipe)
    process = world.start(command, "rows.pipe")
    try:
        with pipe.open("wb", buffering=0) as sink:
            sink.write(world.rows(300).read_bytes())  # more than is buffered
            until(lambda: any(one.stat().st_size for one in copies(world, temporary)), 20)
            yield process.pid, copies(world, temporary)[0]
    finally:
        process.kill()
        process.communicate()
        pipe.unlink()


@pytest.mark.parametrize("command", ["check", "submit"])
@pytest.mark.parametrize("used", [False, True], ids=["on the first day", "with a state"])
async def test_the_copy_of_a_killed_command_is_removed(world: World, temporary: Path, command: str, used: bool) -> None:
    if used:
        assert world.run("submit", str(world.rows(1, "first.jsonl"))).returncode == 0
    with reading(world, temporary, command) as (pid, copy):
        assert copy.stat().st_mode & 0o77 == 0 or copy.parent.stat().st_mode & 0o77 == 0
        await leftovers.remove(StoreThread(Store(world.paths)), world.paths)
        assert copy.exists(), "its process lives"
        os.kill(pid, signal.SIGKILL)
    assert copy.exists()
    assert world.run("--once").returncode == 0
    assert copies(world, temporary) == []
    assert not copy.parent.exists()


def test_a_check_reads_a_pipe_where_the_state_cannot_be_written(world: World, temporary: Path) -> None:
    world.home.mkdir(mode=0o700)
    world.paths.requests.write_text("in the way")
    read, write = os.pipe()
    os.write(write, world.rows(3).read_bytes())
    os.close(write)
    process = world.start("check", f"/dev/fd/{read}", "--offline", pass_fds=(read,))
    os.close(read)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "3 requests" in out
    assert list(temporary.iterdir()) == []
