"""Decides which of the processes on a state polls, and lets the others see it and ask it to look.

The lock decides, and the kernel frees it when its process dies. The file beside it only shows people which it is.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from batchtui.core.clock import Time
from batchtui.core.errors import BatchtuiError
from batchtui.core.files import private_folder, replacing
from batchtui.core.lock import Lock
from batchtui.core.paths import Paths

_SAYING = 1.0
"""Seconds to wait for a newly elected process to say who it is; it needs much less."""


BEAT = 2.5
"""Seconds between two signs of life of the polling process, also while it downloads."""
_FIRST_LOOK = timedelta(minutes=2)


class Poller(Struct, frozen=True, kw_only=True):
    """The process that polls. `failing` says why its last look failed, and `failing_code` is the code of that error;
    both are empty if it did not fail.

    Without `pid`, `host` and `since`, the process holds the lock but did not say who it is.
    """

    pid: Annotated[int, Meta(ge=1, lt=2**31)] | None
    host: str
    command: str
    since: Time | None
    looked_at: Time | None = None
    next_at: Time | None = None
    failing: str = ""
    failing_code: str = ""
    ours: bool = False

    def overdue(self, now: datetime) -> timedelta:
        """How long ago its next look should have begun, or its first one should have ended; negative before that."""
        due = self.next_at or (self.since and self.since + _FIRST_LOOK)
        return now - due if due else timedelta(0)

    @property
    def here(self) -> bool:
        """Whether it runs on this host."""
        return self.host == socket.gethostname()

    def words(self) -> str:
        """`batchtui --once, pid 4242`, followed by the host if it is another one."""
        if self.pid is None:
            return self.command
        return f"{self.command}, pid {self.pid}" + ("" if self.here else f" on {self.host}")


class Election:
    """Elects the process that polls. Everything here touches files and belongs on the disk thread; only `beat` may run
    in any thread, since a slow write must not look like a stopped process."""

    def __init__(self, paths: Paths, command: str, clock: Callable[[], datetime]) -> None:
        self._paths = paths
        self._clock = clock
        self._lock = Lock(paths.poller_lock)
        self._me: Poller | None = None
        self._command = command
        self._poked = self._poke_time()

    @property
    def lock(self) -> Path:
        """The file that decides."""
        return self._lock.path

    def stand(self) -> bool:
        """Becomes the polling process if there is none; true if this process is the one."""
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
        """Becomes the polling process, or returns the one that is; None if it is this one. Gives a new one time to say
        who it is."""
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

    def announce(self, *, looked_at: datetime | None, next_at: datetime | None, failing: BatchtuiError | None) -> None:
        """Says how the last look went and when the next is due. If it failed, `looked_at` is None: the last good time
        stays."""
        if self._me is None:
            return
        self._me = msgspec.structs.replace(
            self._me,
            looked_at=looked_at or self._me.looked_at,
            next_at=next_at,
            failing=failing.message if failing else "",
            failing_code=failing.code if failing else "",
        )
        self._write()

    def beat(self) -> None:
        """Gives a sign of life if this process polls."""
        if self._me is not None:
            with suppress(OSError):
                os.utime(self._paths.poller)

    def last_beat(self) -> int:
        """Changes with every sign of life of the polling process. A stopped or hung one gives none.

        Opens the file: only then does a network share promise to show its time as it is.
        """
        try:
            opened = os.open(self._paths.poller, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            return os.fstat(opened).st_mtime_ns
        finally:
            os.close(opened)

    def who(self) -> Poller | None:
        """The process that polls, as far as its file and the process table show."""
        if self._me is not None:
            return self._me
        try:
            poller = msgspec.json.decode(self._paths.poller.read_bytes(), type=Poller)
        except (OSError, ValueError, RecursionError):
            return None
        if poller.pid is not None and poller.here:
            try:
                os.kill(poller.pid, 0)
            except ProcessLookupError:
                return None
            except PermissionError:
                pass  # it is alive and belongs to another user
        return msgspec.structs.replace(poller, ours=False)

    def poke(self) -> None:
        """Asks the polling process to look now."""
        private_folder(self._paths.data)
        with suppress(OSError):
            try:
                os.close(os.open(self._paths.poke, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            except FileExistsError:
                now = time.time_ns()  # file times tick every few milliseconds: two pokes would look like one
                os.utime(self._paths.poke, ns=(now, now), follow_symlinks=False)

    def poked(self) -> bool:
        """Whether a process asked for a look since this was last called."""
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
