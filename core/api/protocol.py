"""What we ask of the Message Batches API, whoever answers: the records and the protocol.

The implementation on the SDK is `core.api.anthropic_sdk`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from batchtui.core.batches.remote import Remote

Report = Callable[[int, int | None], None]
"""Bytes done, and their total or None where it is not known. Called from any thread."""

PAGE = 1000
"""The most batches that one list call returns."""


class Page(Struct, frozen=True):
    """One page of the list, newest first. `server_time` is the answer's Date header, None where it had none."""

    batches: tuple[Remote, ...]
    has_more: bool
    server_time: datetime | None


class Api(Protocol):
    """The calls. Each raises a child of `ApiError`, or `NoKey`, and nothing else of its own."""

    calls: int
    """HTTP requests sent so far."""

    async def create(self, rows: Path, report: Report | None = None) -> Remote:
        """Sends the rows of an archived file as one batch, exactly once. `report` gets bytes sent and their total.

        Raises:
            NotSent: the body was certainly never complete at the server.
            OutcomeUnknown: it may have been accepted.
            ApiError: it was certainly refused.
        """
        ...

    async def get(self, batch_id: str) -> Remote: ...

    async def page(self, after_id: str | None = None, limit: int = PAGE) -> Page: ...

    async def cancel(self, batch_id: str) -> Remote: ...

    def results(self, batch_id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The raw bytes of the result lines as they come, from our own host."""
        ...

    async def message(self, params: bytes) -> bytes:
        """One request outside of any batch, asked once and at the standard price; the JSON of its Message, as it came.

        `params` are those of a batch's request. The API knows no idempotency: where the answer is lost, the request
        may have run and be billed, and asking again may buy it a second time.

        Raises:
            NotSent: nothing of the request left this machine.
            Unreachable: asking again may help. With a status the API said so; without one the answer was lost.
            ApiError: the API refused it; `body` is what it said.
        """
        ...

    async def free(self, path: str, body: bytes | None = None) -> bytes:
        """A small call beside the batches that costs nothing: a GET, or with `body` a POST of that JSON. The answer."""
        ...

    async def close(self) -> None: ...
