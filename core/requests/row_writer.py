"""Rows on their way to the disk: hashed and written by a thread of their own while the next ones are looked at."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Self

_BLOCK = 1 << 20
"""Bytes that are gathered for the thread; there are never more than two such blocks."""


class RowWriter:
    """What `sink` is given, if there is one, and the sha256 of it. A with block, which leaves no thread behind."""

    def __init__(self, sink: BinaryIO | None) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1)
        self._busy: Future[None] | None = None
        self._gathered: list[bytes] = []
        self._size = 0

    def add(self, rows: bytes) -> None:
        """The next rows. Raises OSError where earlier ones could not be written."""
        self._gathered.append(rows)
        self._size += len(rows)
        if self._size >= _BLOCK:
            self._hand_over()

    def sha256(self) -> str:
        """The digest of all that was added, which is written by then. Raises OSError where it could not be."""
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
