"""Reads pieces of a file, mostly one after the other. It reads a block ahead, so that few calls are needed."""

from __future__ import annotations

import os
from pathlib import Path

_BLOCK = 1 << 16
_BREAK = 2
"""The most bytes of a line break between one piece and the next."""


class ReadAhead:
    """An open file. Reading is safe from several threads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._held = (0, b"")

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`, fewer if the file ends earlier."""
        first, block = self._held
        held = first + len(block)
        if first <= start and end <= held:
            return block[start - first : end - first]
        if end - start >= _BLOCK or not first <= start <= held + _BREAK:
            self._held = (end, b"")
            return os.pread(self._file.fileno(), end - start, start)
        block = os.pread(self._file.fileno(), _BLOCK, start)
        self._held = (start, block)
        return block[: end - start]

    def close(self) -> None:
        self._file.close()
