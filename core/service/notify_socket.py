"""Tells the service manager how this process is, by datagrams to a socket (sd_notify(3)). Does nothing without one."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from batchtui.core.text import inert_line

_UNTIL_SENT = 1.0
"""Seconds that a manager which does not read its socket may hold up this process."""


class NotifySocket:
    """The socket that `NOTIFY_SOCKET` names. What cannot be told is lost: the work goes on.

    `watchdog` is after how many seconds without a sign of life the manager ends this process; None if it does not.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog = _watchdog(environment) if self._address else None
        self._status = ""

    def ready(self, status: str) -> None:
        """It has begun, or is done with reading its settings again."""
        self._send("READY=1", self._said(status))

    def status(self, status: str) -> None:
        """What it does at the moment, in words for people. Sent only if it is new."""
        if status != self._status:
            self._send(self._said(status))

    def alive(self) -> None:
        """A sign of life. Only the loop that does the work may give it, after work that is done."""
        if self.watchdog:
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """It reads its settings again; `ready` says when that is done."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        """It ends, as asked."""
        self._send("STOPPING=1", self._said(status))

    def _said(self, status: str) -> str:
        self._status = status
        return f"STATUS={inert_line(status, 200)}"

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_UNTIL_SENT)
            sender.sendto("\n".join(lines).encode(), self._address)


def _address(named: str) -> str | None:
    """The address of a socket: a path, or a name in the abstract namespace of Linux, which begins with `@`."""
    if not named.startswith(("/", "@")) or len(named) < 2:
        return None
    return "\0" + named[1:] if named.startswith("@") else named


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """`WATCHDOG_USEC` in seconds, unless it is meant for another process (sd_watchdog_enabled(3))."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    with suppress(ValueError):
        if (microseconds := int(environment.get("WATCHDOG_USEC", ""))) > 0:
            return microseconds / 1e6
    return None
