"""Which process holds one of our locks, by the kernel's word, and whether it is stopped."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

from batchtui.core.errors import PollerStalled

_KERNEL = Path("/proc/locks")


class Holder(NamedTuple):
    """The process that holds a lock, as far as the kernel says."""

    pid: int | None

    @property
    def words(self) -> str:
        return f"pid {self.pid}" if self.pid else "a process elsewhere"

    @property
    def way_on(self) -> str:
        return f"Let it go on (kill -CONT {self.pid}), or end it (kill -KILL {self.pid}): the lock is then free."

    @property
    def way_out(self) -> str:
        if self.pid:
            return f"If it hangs, end it: kill {self.pid}."
        return "If it hangs, end it where it runs: on another machine, or in a container."


def holder(path: Path) -> Holder | None:
    """Who holds a lock; None if nobody does. Raises OSError if it cannot be one."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        about = os.fstat(opened)
        if pid := _holder_by_kernel(about):
            return Holder(pid)
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Holder(None)
    else:
        return None
    finally:
        os.close(opened)


def _holder_by_kernel(about: os.stat_result) -> int | None:
    """Who holds it by Linux's table of locks, such as `1: FLOCK ADVISORY WRITE 42 fe:00:2285855 0 EOF`."""
    place = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    try:
        lines = _KERNEL.read_text().splitlines()
    except OSError:
        return None
    fields = [line.split() for line in lines]
    pids = (one[4] for one in fields if len(one) > 5 and one[1] == "FLOCK" and one[5] == place)
    return next((int(pid) for pid in pids if pid.isdigit() and int(pid)), None)


def is_stopped(pid: int | None) -> bool:
    """Whether a process was stopped, by the kernel's word; false where that cannot be seen."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except (OSError, IndexError):
        return False


def stuck(path: Path, what: str) -> PollerStalled | None:
    """The error for a lock whose holder was stopped, so that nobody does `what`; None if nobody is seen to be."""
    try:
        held = holder(path)
    except OSError:
        return None
    if held is None or not is_stopped(held.pid):
        return None
    return PollerStalled(f"{held.words} holds {path.name} and is stopped: {what}.", held.way_on)
