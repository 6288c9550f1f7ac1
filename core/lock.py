"""An inter-process lock: one holder at a time, and the kernel frees it when the holder's process dies."""

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
"""Seconds between two attempts while someone else holds the lock."""


class Lock:
    """Excludes other processes and every other holder in this one, whichever thread or object it uses.

    It is an flock on a file of mode 0600. The file is never removed, and a symbolic link is never followed. The lock
    does not nest: a holder that tries to take it again is refused like anyone else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: UnixFileLock | None = None

    def try_acquire(self) -> bool:
        """Takes the lock if it is free; never waits.

        Raises:
            StateError: no lock is possible here: the folder is read-only, or a symbolic link is in its place.
        """
        return self._take(0.0)

    def acquire(self, timeout: float) -> None:
        """Takes the lock, waiting up to `timeout` seconds.

        Raises:
            Busy: someone else held it the whole time.
            StateError: no lock is possible here.
        """
        if not self._take(timeout):
            raise Busy(
                f"Another batchtui is busy and did not finish within {timeout:g} s ({self.path}).",
                "Wait for it or stop it, then try again.",
            )

    def release(self) -> None:
        """Gives the lock back; does nothing if it is not held."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # the object is dropped here; that closes the file, which frees the lock
                file.release()

    @contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Holds the lock for a with block. Raises as `acquire` does."""
        self.acquire(timeout)
        try:
            yield
        finally:
            self.release()

    def _take(self, timeout: float) -> bool:
        from filelock import Timeout, UnixFileLock  # costs 40 ms, which a read-only command need not pay

        private_folder(self.path.parent)
        file = UnixFileLock(  # a new object each time: the same one would let its holder in again
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
            if self.path.is_symlink():
                message = f"{self.path} is a symbolic link, which cannot be locked."
                raise StateError(message, "Remove the link; batchtui makes the file anew.") from error
            raise StateError(
                f"{self.path} cannot be locked: {error.strerror or error}.",
                "It must be a regular file in a folder you can write to. Or set BATCHTUI_HOME to another folder.",
            ) from error
        self._file = file
        return True
