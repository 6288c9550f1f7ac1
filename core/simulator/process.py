"""Starts the simulator as its own process, and never leaves it running."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import msgspec
from msgspec import Struct

from batchtui.core.errors import BatchtuiError
from batchtui.core.programs import without_keys
from batchtui.core.simulator.control import Control
from batchtui.core.simulator.world import SimulatorSettings


class Running(Struct, frozen=True):
    """A listening simulator: its base URL, its process id, and a client to control it."""

    url: str
    pid: int
    control: Control


@contextmanager
def start_process(settings: SimulatorSettings | None = None, *, port: int = 0) -> Iterator[Running]:
    """Runs a simulator for as long as the block lasts. It also ends when this process does, however that happens.

    Ctrl+C does not reach it. Its stderr, such as the traceback of a bug in it, is copied to ours when the block ends
    without an exception.

    Raises:
        BatchtuiError: it did not start.
    """
    flags = _flags(settings or SimulatorSettings())
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - our own module; the arguments are numbers
            [sys.executable, "-P", "-m", "batchtui.core.simulator", "--tied", f"--port={port}", *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            process_group=0,
            env=without_keys(os.environ),
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
    reason = said.strip().rpartition("\n")[2] or "it ended without a message"
    hint = "Install what it needs: pip install 'batchtui[demo]'" if "No module named" in said else ""
    return BatchtuiError(f"The simulator did not start: {reason}.", hint)
