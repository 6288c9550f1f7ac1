"""Which process polls: one of all that run on a state, and how the others see it and ask it to look.

The lock decides, and the kernel frees it when its process dies. The file beside it only tells people who it is.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from batchtui.core.files import private_folder, replacing
from batchtui.core.lock import Lock
from batchtui.core.paths import Paths

_SAYING = 1.0
"""Seconds in which a process that was elected has long said who it is."""


class Poller(Struct, frozen=True, kw_only=True):
    """The process that polls. `failing` says why its last look failed, empty where it did not.

    Without `pid`, `host` and `since` it holds the lock and did not say who it is.
    """

    pid: Annotated[int, Meta(ge=1, lt=2**31)] | None
    host: str
    command: str
    since: datetime | None
    looked_at: datetime | None = None
    next_at: datetime | None = None
    failing: str = ""
    ours: bool = False

    def words(self) -> str:
        """`batchtui --once, pid 4242`, with the host where that is another one."""
        if self.pid is None:
            return self.command
        return f"{self.command}, pid {self.pid}" + ("" if self.host == socket.gethostname() else f" on {self.host}")


class Election:
    """Everything here touches files and is for the disk thread."""

    def __init__(self, paths: Paths, command: str, clock: Callable[[], datetime]) -> None:
        self._paths = paths
        self._clock = clock
        self._lock = Lock(paths.poller_lock)
        self._me: Poller | None = None
        self._command = command
        self._poked = self._poke_time()

    def stand(self) -> bool:
        """Becomes the process that polls if nobody is; true if we are it."""
        if self._me is None:
            private_folder(self._paths.data)
            if not self._lock.try_acquire():
                return False
            self._me = Poller(
                pid=os.getpid(), host=socket.gethostname(), command=self._command, since=self._clock(), ours=True
            )
            self._write()
        return True

    def who_else(self) -> Poller | None:
        """Becomes the process that polls, or says who is: None if it is we. Who has just become it gets time to say."""
        until = time.monotonic() + _SAYING
        while not self.stand():
            if other := self.who():
                return other
            if time.monotonic() > until:
                return Poller(pid=None, host="", command="another process", since=None)
            time.sleep(0.01)
        return None

    def resign(self) -> None:
        if self._me is not None:
            self._me = None
            with suppress(OSError):
                self._paths.poller.unlink()
            self._lock.release()

    def announce(self, *, looked_at: datetime | None, next_at: datetime | None, failing: str) -> None:
        """Says how the last look went and when the next is due. `looked_at` None: it failed, keep the last good one."""
        if self._me is None:
            return
        self._me = msgspec.structs.replace(
            self._me, looked_at=looked_at or self._me.looked_at, next_at=next_at, failing=failing
        )
        self._write()

    def who(self) -> Poller | None:
        """Who polls, as far as its file and the process table tell."""
        if self._me is not None:
            return self._me
        try:
            poller = msgspec.json.decode(self._paths.poller.read_bytes(), type=Poller)
        except (OSError, ValueError):
            return None
        if poller.pid is not None and poller.host == socket.gethostname():
            try:
                os.kill(poller.pid, 0)
            except ProcessLookupError:
                return None
            except PermissionError:
                pass  # it lives, and is another user's
        return msgspec.structs.replace(poller, ours=False)

    def poke(self) -> None:
        """Asks whoever polls to look now."""
        private_folder(self._paths.data)
        with suppress(OSError):
            try:
                os.close(os.open(self._paths.poke, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            except FileExistsError:
                now = time.time_ns()  # the clock of files ticks every few milliseconds: two would be told as one
                os.utime(self._paths.poke, ns=(now, now), follow_symlinks=False)

    def poked(self) -> bool:
        """Whether somebody asked since this was last called."""
        at = self._poke_time()
        asked = at != self._poked
        self._poked = at
        return asked

    def _poke_time(self) -> int:
        try:
            return self._paths.poke.stat().st_mtime_ns
        except OSError:
            return 0

    def _write(self) -> None:
        with suppress(OSError), replacing(self._paths.poller) as file:
            file.write(msgspec.json.encode(self._me))
