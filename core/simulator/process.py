"""Starts the simulator as a process of its own, and never leaves it behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import msgspec
from msgspec import Struct

from batchtui.core.errors import BatchtuiError
from batchtui.core.simulator.control import Control
from batchtui.core.simulator.world import SimulatorSettings


class Running(Struct, frozen=True):
    """A simulator that listens: its base URL, its process id, and the way into it."""

    url: str
    pid: int
    control: Control


@contextmanager
def start_process(settings: SimulatorSettings | None = None, *, port: int = 0) -> Iterator[Running]:
    """A simulator for as long as the block lasts. It also ends when this process does, however that comes about.

    It is out of the reach of Ctrl+C. What it wrote to its stderr, such as the trace of a mistake in it, goes to ours
    when the block ends.

    Raises:
        BatchtuiError: it did not start.
    """
    flags = _flags(settings or SimulatorSettings())
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - our own module, arguments made of numbers
            [sys.executable, "-P", "-m", "batchtui.core.simulator", "--tied", f"--port={port}", *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            process_group=0,
        )
        assert process.stdin and process.stdout
        try:
            url = process.stdout.readline().decode().strip()
            if not url:
                process.wait()
                raise _not_started(_text(said))
            yield Running(url, process.pid, Control(url))
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
        sys.stderr.write(_text(said))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _flags(settings: SimulatorSettings) -> Iterator[str]:
    for name, value in msgspec.to_builtins(settings).items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            yield flag
        elif value is not None and value is not False:
            yield f"{flag}={value}"


def _not_started(said: str) -> BatchtuiError:
    reason = said.strip().rpartition("\n")[2] or "it ended without a word"
    hint = "Install what it needs: pip install 'batchtui[demo]'" if "No module named" in said else ""
    return BatchtuiError(f"The simulator did not start: {reason}.", hint)
