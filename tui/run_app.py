"""Runs the app on a terminal, which it leaves as it was, whatever ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress

from batchtui.core.desk.desk import Desk
from batchtui.core.errors import FAILED
from batchtui.tui.app import BatchtuiApp

_ENDING = (
    signal.SIGHUP,
    signal.SIGTERM,
    signal.SIGQUIT,
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGXCPU,
)
"""Signals that by default end a process at once: they would leave the terminal as the app set it."""

_PATIENCE = 1.0
"""Seconds of closing before the user is told what they are waiting for."""


def run_app(desk: Desk) -> int:
    """Runs the app on a desk until it exits, and closes the desk. Returns the exit code."""

    async def run() -> int:
        app = BatchtuiApp(desk)
        for number in _ENDING:
            asyncio.get_running_loop().add_signal_handler(number, app.exit, 128 + number)
        try:
            code = await app.run_async()
        finally:
            _tell(app.voice.end())
            await _closed(desk)
        return (app.return_code or FAILED) if code is None else code

    try:
        return asyncio.run(run())
    finally:
        _let_go()


async def _closed(desk: Desk) -> None:
    """Closes the desk: finishes what is being written, which may have to wait for another process."""
    closing = asyncio.ensure_future(desk.close())
    done, _ = await asyncio.wait({closing}, timeout=_PATIENCE)
    if not done:
        _tell(
            "Finishing a write or an output's program; another batchtui may be using the same state. "
            "Ctrl-C quits at once.\n"
        )
    await closing


def _tell(text: str) -> None:
    """Writes to the terminal, which may be gone."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _let_go() -> None:
    """Leaves nothing to be written at the very end: where the terminal is gone that fails, with another exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, stream.fileno())
                os.close(nothing)
