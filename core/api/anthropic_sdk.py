"""The API through Anthropic's SDK. Its objects become our records, and its exceptions become our errors.

The SDK takes over a second to import, and it retries a create that got no clear answer, which buys a batch twice
(SDK 2.12, `_base_client.py`). So only this module imports it, late and in a thread. Retries and redirects are off for
every call. The bodies of creates and results pass as raw bytes through its public `post` and `get`; its public `delete`
would read an answer of any length, so a delete goes through its batches' `with_streaming_response`.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, cast

from msgspec import Meta, Struct

from batchtui.core.api import bounds
from batchtui.core.api.create_body import CreateBody, OnceBody
from batchtui.core.api.credentials import Credentials
from batchtui.core.api.http_errors import (
    ASK_LATER,
    UNCLEAR,
    http_date,
)
from batchtui.core.api.protocol import PAGE, Betas, Page, Report
from batchtui.core.api.result_line import decode_message
from batchtui.core.api.sdk_client import CONNECT_TIMEOUT, build_client, import_sdk
from batchtui.core.api.sdk_faults import Faults
from batchtui.core.batches.remote import BatchId, Remote
from batchtui.core.errors import ApiError, NotSent, OutcomeUnknown, Unreachable
from batchtui.core.settings import API_VERSION

if TYPE_CHECKING:
    import anthropic
    import httpx2

_MESSAGES = "/v1/messages"
_BATCHES = "/v1/messages/batches"


_ONCE: dict[str, Any] = {"max_retries": 0, "follow_redirects": False}


class _List(Struct):
    data: Annotated[list[Remote], Meta(max_length=PAGE)]
    has_more: bool = False


class _Deleted(Struct):
    id: BatchId
    type: Literal["message_batch_deleted"]


class _Answer(NamedTuple):
    content: bytes
    headers: Mapping[str, str]


def _beta(betas: Betas) -> dict[str, str]:
    """The header that turns betas on; none without them."""
    return {"anthropic-beta": ",".join(betas)} if betas else {}


@cache
def _freeze() -> None:
    """Keeps the SDK's half a million objects from being scanned, which blocks the event loop for long. Once a process:
    to count what is frozen takes as long."""
    gc.freeze()


class AnthropicApi:
    """Implements `core.api.protocol.Api` with the SDK, for one key and one host."""

    def __init__(
        self, credentials: Credentials, *, answer_timeout: float, idle_timeout: float, api_version: str = API_VERSION
    ) -> None:
        self.calls = 0
        self._credentials = credentials
        self._faults = Faults(credentials)
        self._answer_timeout = answer_timeout
        self._idle_timeout = idle_timeout
        self._api_version = api_version
        self._client: anthropic.AsyncAnthropic | None = None
        self._opening = asyncio.Lock()

    @property
    def server_time(self) -> datetime | None:
        return self._faults.server_time

    async def open(self) -> anthropic.AsyncAnthropic:
        """The SDK's client. The first call imports the SDK in a thread, which takes a second or two.

        Raises:
            NoKey: the SDK's own profile cannot be used.
            BadInput: the proxy or the certificates set in the environment cannot be used.
        """
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(
                    build_client, self._credentials, self._idle_timeout, self._api_version, self._faults.clean
                )
                _freeze()
        return self._client

    async def create(self, rows: Path, report: Report | None = None, betas: Betas = ()) -> Remote:
        await self.open()
        clock = asyncio.get_running_loop().time
        limit = asyncio.timeout(self._answer_timeout)

        def sent(done: int, total: int | None) -> None:
            limit.reschedule(clock() + self._answer_timeout)  # a large body on a slow line takes as long as it takes
            if report:
                report(done, total)

        body = CreateBody(rows, sent)
        try:
            answer = await self._send(_BATCHES, body, body.size, bounds.ANSWER, limit, betas)
            return self._faults.decode(answer.content, Remote)
        except ApiError as error:
            if error.by_api and error.status is not None and error.status < 500 and error.status not in UNCLEAR:
                if isinstance(error, Unreachable):
                    error.with_next("Nothing was bought. Submit it again later.")
                raise
            if not body.whole:
                unsent = NotSent(f"The batch was not sent: {error.message}", "Nothing was bought. Submit it again.")
                raise unsent.advising(error.advice) from error
            raise OutcomeUnknown(
                f"It is not known whether the API accepted the batch: {error.message}",
                "batchtui looks for it in the API's list and never sends it again on its own.",
            ).advising(error.advice) from error
        finally:
            await body.close()

    async def get(self, batch_id: str) -> Remote:
        return self._about(batch_id, (await self._get(f"{_BATCHES}/{batch_id}")).content)

    async def page(self, after_id: str | None = None, limit: int = PAGE) -> Page:
        query: dict[str, object] = {"limit": limit} | ({"after_id": after_id} if after_id else {})
        answer = await self._get(_BATCHES, query)
        listed = self._faults.decode(answer.content, _List)
        return Page(
            batches=tuple(listed.data),
            has_more=listed.has_more,
            server_time=http_date(answer.headers.get("date")),
        )

    async def cancel(self, batch_id: str) -> Remote:
        try:
            return self._about(batch_id, (await self._post(f"{_BATCHES}/{batch_id}/cancel", None)).content)
        except Unreachable as error:
            error.with_next("The next poll shows whether it was canceled anyway. If not, cancel it again.")
            raise

    async def delete(self, batch_id: str) -> None:
        client = await self.open()
        asked = client.messages.batches.with_streaming_response.delete(batch_id)

        async def response() -> httpx2.Response:
            return (await asked.__aenter__()).http_response

        self._same(batch_id, self._faults.decode((await self._ask(response())).content, _Deleted).id)

    @asynccontextmanager
    async def results(self, batch_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        client = await self.open()
        _sdk, http = import_sdk()
        options: Any = {"headers": {"Accept": "application/x-jsonl", "Accept-Encoding": "identity"}, **_ONCE}
        # We use our own path, never `results_url`: the SDK would follow that to any host and send the key.
        response = await self._begin(
            client.get(
                f"{_BATCHES}/{batch_id}/results",
                cast_to=http.Response,
                stream=True,
                options=options,
            )
        )
        try:
            yield self._stream(response)
        finally:
            await response.aclose()

    async def message(self, params: bytes, betas: Betas = ()) -> bytes:
        body = OnceBody(params)
        limit = asyncio.timeout(CONNECT_TIMEOUT + self._idle_timeout + self._answer_timeout)
        try:
            answer = await self._send(_MESSAGES, body, len(params), bounds.MESSAGE, limit, betas)
        except Unreachable as error:
            if body.begun:
                raise
            sent = NotSent(error.message, error.hint)
            sent.advice = error.advice
            raise sent from error
        try:
            decode_message(answer.content)
        except ValueError as error:
            raise self._faults.not_theirs(error) from None
        return answer.content

    async def free(self, path: str, body: bytes | None = None, betas: Betas = ()) -> bytes:
        return (await (self._get(path) if body is None else self._post(path, body, betas))).content

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _get(self, path: str, query: dict[str, object] | None = None) -> _Answer:
        client = await self.open()
        _sdk, http = import_sdk()
        options: Any = {"params": query or {}, **_ONCE}
        return await self._ask(client.get(path, cast_to=http.Response, stream=True, options=options))

    async def _post(self, path: str, body: bytes | None, betas: Betas = ()) -> _Answer:
        client = await self.open()
        _sdk, http = import_sdk()
        options: Any = {"headers": _beta(betas), **_ONCE}
        limit = asyncio.timeout(CONNECT_TIMEOUT + 2 * self._idle_timeout)  # to send it, and until the answer begins
        request = client.post(path, cast_to=http.Response, content=body, stream=True, options=options)
        return await self._ask(request, limit=limit)

    async def _send(
        self, path: str, body: AsyncIterable[bytes], size: int, most: int, limit: asyncio.Timeout, betas: Betas
    ) -> _Answer:
        """Sends a body that costs money: its answer may take as long as `answer_timeout` to begin."""
        client = await self.open()
        _sdk, http = import_sdk()
        timeout = http.Timeout(self._idle_timeout, connect=CONNECT_TIMEOUT, read=self._answer_timeout)
        headers = {"Content-Type": "application/json", "Content-Length": str(size), **_beta(betas)}
        options: Any = {"headers": headers, "timeout": timeout, **_ONCE}
        request = client.post(path, cast_to=http.Response, content=body, stream=True, options=options)
        return await self._ask(request, most=most, limit=limit)

    async def _ask(self, request: Any, *, most: int = bounds.ANSWER, limit: asyncio.Timeout | None = None) -> _Answer:
        """Makes one HTTP request and reads its answer, of at most `most` bytes. It must begin within `limit`."""
        response = await self._begin(request, limit)
        try:
            with self._faults.faults("The API's answer came too slowly.", "The connection broke", response.status_code):
                content = await bounds.whole(response.aiter_bytes(), most, self._idle_timeout)
        finally:
            await response.aclose()
        self._faults.server_time = http_date(response.headers.get("date")) or self._faults.server_time
        return _Answer(content, response.headers)

    async def _begin(self, request: Any, limit: asyncio.Timeout | None = None) -> httpx2.Response:
        """Sends one HTTP request. The answer has begun, and is a success."""
        self.calls += 1
        with self._faults.faults("The API did not answer in time.", "The connection broke"):
            async with limit or asyncio.timeout(self._idle_timeout + CONNECT_TIMEOUT):
                return cast("httpx2.Response", await request)

    async def _stream(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        with self._faults.faults("The download stalled for too long.", "The download was interrupted"):
            async for chunk in bounds.paced(response.aiter_bytes(), self._idle_timeout):
                yield chunk

    def _about(self, batch_id: str, content: bytes) -> Remote:
        remote = self._faults.decode(content, Remote)
        self._same(batch_id, remote.id)
        return remote

    def _same(self, asked: str, told: str) -> None:
        if told != asked:
            said = self._faults.clean(told)
            raise Unreachable(f"The host answered about {said} when asked about {asked}.", ASK_LATER)
