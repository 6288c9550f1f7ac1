"""Bounds on what a host sends. It may send for ever, or a byte a second: each answer is held to bytes and to time.

Bytes are counted after decompression, which the HTTP library does in pieces of at most 1 MiB.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

ANSWER = 4_000_000
"""The most bytes of an answer about batches, models or tokens. A page of 1,000 batches has 700,000."""

MESSAGE = 16_000_000
"""The most bytes of one message. The longest output that a model writes has 2,000,000; tools may add documents."""

ERROR = 1_000_000
"""The most bytes of an error. The API's own have a few hundred."""

SLOWEST = 1000
"""Bytes per second that at least come, averaged over the time that a host may be silent. The slowest modem has more."""

_PATIENCES = 5
"""An answer that is held in memory takes at most this many times as long as a host may be silent."""


class TooLong(Exception):
    """An answer has more bytes than it may have."""


class Refused(Exception):
    """An answer that is no success. The SDK would read all of its body, so it never gets to see it."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


async def paced(chunks: AsyncIterator[bytes], patience: float) -> AsyncIterator[bytes]:
    """Passes chunks on as they come.

    Only the time spent waiting for the host counts, so a slow reader is not its fault.

    Raises:
        TimeoutError: nothing came for `patience` seconds, or less than `SLOWEST` a second.
    """
    clock = asyncio.get_running_loop().time
    waited, came = 0.0, 0
    while True:
        began = clock()
        async with asyncio.timeout(patience):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        waited += clock() - began
        came += len(chunk)
        if waited >= patience:
            if came < SLOWEST * waited:
                raise TimeoutError
            waited, came = 0.0, 0
        yield chunk


async def whole(chunks: AsyncIterator[bytes], most: int, patience: float) -> bytes:
    """All of an answer.

    Raises:
        TooLong: it has more than `most` bytes.
        TimeoutError: it comes too slowly.
    """
    gathered: list[bytes] = []
    left = most
    async with asyncio.timeout(patience * _PATIENCES):
        async for chunk in paced(chunks, patience):
            left -= len(chunk)
            if left < 0:
                raise TooLong
            gathered.append(chunk)
    return b"".join(gathered)


def refusing(patience: float) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """A hook for responses that raises `Refused` for each that is no success.

    A body that does not end, or not in time, counts as empty: it is not the API's.
    """

    async def refuse(response: Any) -> None:
        if response.is_success:
            return
        try:
            body = await whole(response.aiter_bytes(), ERROR, patience)
        except (TooLong, TimeoutError):
            body = b""
        raise Refused(response.status_code, response.headers, body)

    return refuse
