"""One inter-process lock: held by one holder at a time, and given back by the kernel when its process dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from batchtui.core.errors import Busy, StateError
from batchtui.core.files import private_folder

if TYPE_CHECKING:
    from filelock import UnixFileLock

POLL = 0.005
"""Seconds between two tries while another holds the lock."""


class Lock:
    """Excludes other processes and every other holder in this one, whichever thread or object it uses.

    It is an flock on a file of mode 0600 that is never removed and never followed through a symbolic link. It does not
    nest: whoever holds it and asks again is refused like anybody else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: UnixFileLock | None = None

    def try_acquire(self) -> bool:
        """Takes the lock if it is free; never waits.

        Raises:
            StateError: there can be no lock here: a read-only folder, a symbolic link in its place.
        """
        return self._take(0.0)

    def acquire(self, timeout: float) -> None:
        """Takes the lock, waiting up to `timeout` seconds.

        Raises:
            Busy: somebody else held it all the time.
            StateError: there can be no lock here.
        """
        if not self._take(timeout):
            raise Busy(
                f"Another batchtui is at work and did not finish within {timeout:g} s ({self.path}).",
                "Wait for it or stop it, then try again.",
            )

    def release(self) -> None:
        """Gives the lock back; nothing happens where it is not held."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # then the object goes, and its closing of the file frees it
                file.release()

    @contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """The lock for the length of a block. Raises as `acquire` does."""
        self.acquire(timeout)
        try:
            yield
        finally:
            self.release()

    def _take(self, timeout: float) -> bool:
        from filelock import Timeout, UnixFileLock  # 40 ms that a command which only reads need not pay

        private_folder(self.path.parent)
        file = UnixFileLock(  # a new one each time: one object would let its holder in again
            self.path,
            mode=0o600,
            thread_local=False,
            fallback_to_soft=False,
            preserve_lock_file=True,
            poll_interval=POLL,
        )
        try:
            file.acquire(timeout=timeout)
        except Timeout:
            return False
        except OSError as error:
            raise StateError(
                f"{self.path} cannot be locked: {error.strerror or error}.",
                "It must be a plain file in a folder that you may write to; set BATCHTUI_HOME to another folder.",
            ) from error
        self._file = file
        return True
