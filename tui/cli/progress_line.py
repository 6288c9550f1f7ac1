"""A progress line on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO

from batchtui.core.text import size

EVERY = 0.1


class Line:
    """Rewrites its line at most ten times a second and clears it when the work is done. Thread-safe.

    `shown` formats the amount done, by default as bytes.
    """

    def __init__(self, what: str, stream: TextIO, shown: Callable[[int], str] = size) -> None:
        self._shown = shown
        self._what = what
        self._stream = stream
        self._next = 0.0
        self._guard = threading.Lock()

    def report(self, done: int, total: int | None) -> None:
        """Shows `done` of `total`; None if the total is not known."""
        now = time.monotonic()
        ended = total is not None and done >= total
        with self._guard:
            if now < self._next and not ended:
                return
            self._next = now + EVERY
            share = f" {done * 100 // total:3d}%" if total else ""
            self._stream.write(f"\r\x1b[K{self._what}{share} {self._shown(done)}" + ("\r\x1b[K" if ended else ""))
            self._stream.flush()
