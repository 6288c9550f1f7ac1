"""Request bodies that are sent only once: a create, streamed from the archived rows, and a single request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from batchtui.core.api.protocol import Report
from batchtui.core.batches.limits import body_chunks, body_size


class CreateBody:
    """The create body of an archived file, read in a thread. `whole` is set once its end may have left this process."""

    def __init__(self, rows: Path, report: Report | None) -> None:
        self._report = report
        self._file = rows.open("rb")
        self._chunks = body_chunks(self._file)
        self.size = body_size(rows.stat().st_size)
        self.whole = False
        self._begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._begun:
            raise RuntimeError("A create body is sent only once.")  # the SDK or a redirect would send it again
        self._begun = True
        chunk = await asyncio.to_thread(next, self._chunks)
        sent = 0
        while True:
            following = await asyncio.to_thread(next, self._chunks, None)
            self.whole = following is None
            yield chunk
            sent += len(chunk)
            if self._report:
                self._report(sent, self.size)
            if following is None:
                return
            chunk = following

    async def close(self) -> None:
        await asyncio.to_thread(self._file.close)


class OnceBody:
    """A body held in memory. `begun` is set once any of it may have left this process."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.begun:
            raise RuntimeError("A request is sent only once.")
        self.begun = True
        yield self._content
