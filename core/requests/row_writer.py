"""Hashes and writes rows on a background thread while the next ones are checked."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Self

_BLOCK = 1 << 20
"""Bytes that are collected for the thread; there are never more than two such blocks."""


class RowWriter:
    """Writes rows to `sink`, if there is one, and hashes them. Use it in a with block, which ends its thread."""

    def __init__(self, sink: BinaryIO | None) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1)
        self._busy: Future[None] | None = None
        self._gathered: list[bytes] = []
        self._size = 0

    def add(self, rows: bytes) -> None:
        """Adds the next rows. Raises OSError if earlier ones could not be written."""
        self._gathered.append(rows)
        self._size += len(rows)
        if self._size >= _BLOCK:
            self._hand_over()

    def sha256(self) -> str:
        """Writes all that was added and gives its digest. Raises OSError if it could not be written."""
        self._hand_over()
        self._wait()
        return self._hash.hexdigest()

    def _hand_over(self) -> None:
        self._wait()
        self._busy = self._thread.submit(self._keep, self._gathered)
        self._gathered, self._size = [], 0

    def _wait(self) -> None:
        if self._busy:
            self._busy.result()

    def _keep(self, blocks: list[bytes]) -> None:
        for block in blocks:
            self._hash.update(block)
        if self._sink:
            self._sink.write(b"".join(blocks))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
