"""The calls we make to the Message Batches API and their records, whatever implements them.

The implementation with the SDK is `core.api.anthropic_sdk`.
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
"""Called with the bytes done and their total, None if it is not known. Called from any thread."""

Betas = tuple[str, ...]
"""Names of betas that a call is sent with, as its `anthropic-beta` header."""

PAGE = 1000
"""The most batches that one list call returns."""


class Page(Struct, frozen=True):
    """One page of the list, newest first. `server_time` is the answer's Date header, None if it had none."""

    batches: tuple[Remote, ...]
    has_more: bool
    server_time: datetime | None


class Api(Protocol):
    """The calls. The only errors they raise themselves are `ApiError`, its subclasses, and `NoKey`."""

    calls: int
    """HTTP requests sent so far."""

    @property
    def server_time(self) -> datetime | None:
        """The Date of the last answer; None if there was none. Hosts and proxies set it, so it is weak evidence."""
        ...

    async def create(self, rows: Path, report: Report | None = None, betas: Betas = ()) -> Remote:
        """Sends the rows of an archived file as one batch, exactly once. `report` gets the bytes sent and the total.

        Raises:
            NotSent: the server certainly never had the complete body.
            OutcomeUnknown: it may have been accepted.
            ApiError: it was certainly refused.
        """
        ...

    async def get(self, batch_id: str) -> Remote: ...

    async def page(self, after_id: str | None = None, limit: int = PAGE) -> Page: ...

    async def cancel(self, batch_id: str) -> Remote: ...

    async def delete(self, batch_id: str) -> None:
        """Deletes an ended batch and its results at the API.

        Raises:
            NotFound: the API does not know it: never, no longer, not yet, or not with this key.
            Unreachable: it may be deleted or not; asking about it tells.
            ApiError: the API refused, as it does before the batch has ended.
        """
        ...

    def results(self, batch_id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The raw bytes of the result lines as they arrive, always from our own host."""
        ...

    async def message(self, params: bytes, betas: Betas = ()) -> bytes:
        """Sends one request outside any batch, once, at the standard price. Returns the JSON of its Message unchanged.

        `params` are those of a request in a batch. The API has no idempotency: if the answer is lost, the request may
        have run and been billed, and sending it again may buy it a second time.

        Raises:
            NotSent: nothing of the request left this machine.
            Unreachable: sending it again may help. With a status, the API said so; without one, the answer was lost.
            ApiError: the API refused it; `body` holds its answer.
        """
        ...

    async def free(self, path: str, body: bytes | None = None, betas: Betas = ()) -> bytes:
        """Makes a small, free call to another endpoint: a GET, or a POST of `body` as JSON. Returns the answer."""
        ...

    async def close(self) -> None: ...
