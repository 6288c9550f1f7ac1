"""The programs that batchtui starts: they get its environment without API keys, since none needs one, and they end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from threading import Event
from typing import IO

from batchtui.core.text import inert_line

LOOKS_LIKE_A_KEY = re.compile(r"sk-ant-[A-Za-z0-9_-]+")

_SECRET = re.compile(r"ANTHROPIC_\w*(KEY|TOKEN|SECRET|HEADERS)|CREDENTIALS_DIRECTORY")
"""The variables from which the SDK takes a secret, and the one that says where systemd put ours."""


_LONG = 6
"""From this length on, a secret is looked for inside other values as well; a shorter one is there by chance."""


def without_keys(
    environment: Mapping[str, str], names: Collection[str] = (), secrets: Collection[str] = ()
) -> dict[str, str]:
    """The environment without the variables `names`, those of the SDK, and all whose value holds a secret: one of
    `secrets`, or what one of `names` holds."""
    hidden = [one for one in (*secrets, *(environment.get(name, "") for name in names)) if one]

    def secret(variable: str, value: str) -> bool:
        if variable in names or _SECRET.fullmatch(variable) or LOOKS_LIKE_A_KEY.search(value):
            return True
        return any(one == value or (len(one) >= _LONG and one in value) for one in hidden)

    return {variable: value for variable, value in environment.items() if not secret(variable, value)}


_TAIL = 64 * 1024
_GRACE = 5.0
_STEP = 0.5


def exit_code(process: subprocess.Popen[bytes], timeout: float, leave: Event | None) -> int | None:
    """The exit code once the program has ended; None if its time is up, or nobody waits for it."""
    until = time.monotonic() + timeout
    while (left := until - time.monotonic()) > 0 and not (leave and leave.is_set()):
        with suppress(subprocess.TimeoutExpired):
            return process.wait(min(left, _STEP))
    return None


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the program and what it started, if it is still running. It must lead its own process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)


def last_lines(output: IO[bytes], most: int) -> list[str]:
    """The last lines that a program wrote, made harmless to a terminal."""
    output.seek(max(0, output.seek(0, os.SEEK_END) - _TAIL))
    return [line for raw in output.read().splitlines() if (line := inert_line(raw.decode(errors="replace")))][-most:]
