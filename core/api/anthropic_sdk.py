"""The API through Anthropic's SDK. Its objects become our records, and its exceptions become our errors.

The SDK takes over a second to import, and it retries a create that got no clear answer, which buys a batch twice
(SDK 2.12, `_base_client.py`). So only this module imports it, late and in a thread. Retries and redirects are off for
every call. The bodies of creates and results pass as raw bytes through its public `post` and `get`.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
from msgspec import Raw, Struct

from batchtui.core.api.create_body import CreateBody, OnceBody
from batchtui.core.api.credentials import Credentials
from batchtui.core.api.http_errors import (
    ASK_LATER,
    UNCLEAR,
    failed,
    how_it_broke,
    http_date,
    pause_of,
    said_by,
    who_answered,
)
from batchtui.core.api.protocol import PAGE, Betas, Page, Report
from batchtui.core.api.result_line import decode_message
from batchtui.core.api.sdk_client import CONNECT_TIMEOUT, build_client, import_sdk
from batchtui.core.batches.remote import Remote
from batchtui.core.errors import ApiError, NoKey, NotSent, OutcomeUnknown, Unreachable
from batchtui.core.settings import API_VERSION
from batchtui.core.text import inert_line

if TYPE_CHECKING:
    import anthropic
    import httpx2

T = TypeVar("T")

_MESSAGES = "/v1/messages"
_BATCHES = "/v1/messages/batches"


class _List(Struct):
    data: list[Raw]
    has_more: bool = False


def _beta(betas: Betas) -> dict[str, str]:
    """The header that turns betas on; none without them."""
    return {"anthropic-beta": ",".join(betas)} if betas else {}


class AnthropicApi:
    """Implements `core.api.protocol.Api` with the SDK, for one key and one host."""

    def __init__(
        self, credentials: Credentials, *, answer_timeout: float, idle_timeout: float, api_version: str = API_VERSION
    ) -> None:
        self.calls = 0
        self._credentials = credentials
        self._answer_timeout = answer_timeout
        self._idle_timeout = idle_timeout
        self._api_version = api_version
        self._client: anthropic.AsyncAnthropic | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> anthropic.AsyncAnthropic:
        """The SDK's client. The first call imports the SDK in a thread, which takes a second or two.

        Raises:
            NoKey: the SDK's own profile cannot be used.
            BadInput: the proxy or the certificates set in the environment cannot be used.
        """
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(
                    build_client, self._credentials, self._idle_timeout, self._api_version, self._clean
                )
                gc.freeze()  # the SDK's half a million objects stay; scanning them blocks the event loop for long
        return self._client

    async def create(self, rows: Path, report: Report | None = None, betas: Betas = ()) -> Remote:
        client = await self.open()
        _sdk, http = import_sdk()
        body = CreateBody(rows, report)
        timeout = http.Timeout(self._idle_timeout, connect=CONNECT_TIMEOUT, read=self._answer_timeout)
        headers = {"Content-Type": "application/json", "Content-Length": str(body.size), **_beta(betas)}
        try:
            response = await self._ask(
                client.post(
                    _BATCHES,
                    cast_to=http.Response,
                    content=body,
                    options={"headers": headers, "max_retries": 0, "follow_redirects": False, "timeout": timeout},
                )
            )
            return self._decode(response.content, Remote)
        except ApiError as error:
            if error.by_api and error.status is not None and error.status < 500 and error.status not in UNCLEAR:
                if isinstance(error, Unreachable):
                    error.with_hint("Nothing was bought. Submit it again later.")
                raise
            if not body.whole:
                raise NotSent(
                    f"The batch was not sent: {error.message}", "Nothing was bought. Submit it again."
                ) from error
            raise OutcomeUnknown(
                f"It is not known whether the API accepted the batch: {error.message}",
                "batchtui looks for it in the API's list and never sends it again on its own.",
            ) from error
        finally:
            await body.close()

    async def get(self, batch_id: str) -> Remote:
        return self._about(batch_id, (await self._get(f"{_BATCHES}/{batch_id}")).content)

    async def page(self, after_id: str | None = None, limit: int = PAGE) -> Page:
        query: dict[str, object] = {"limit": limit} | ({"after_id": after_id} if after_id else {})
        response = await self._get(_BATCHES, query)
        listed = self._decode(response.content, _List)
        return Page(
            batches=tuple(self._decode(one, Remote) for one in listed.data),
            has_more=listed.has_more,
            server_time=http_date(response.headers.get("date")),
        )

    async def cancel(self, batch_id: str) -> Remote:
        client = await self.open()
        _sdk, http = import_sdk()
        path = f"{_BATCHES}/{batch_id}/cancel"
        try:
            response = await self._ask(client.post(path, cast_to=http.Response, options={"max_retries": 0}))
            return self._about(batch_id, response.content)
        except Unreachable as error:
            error.with_hint("The next poll shows whether it was canceled anyway. If not, cancel it again.")
            raise

    @asynccontextmanager
    async def results(self, batch_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        client = await self.open()
        _sdk, http = import_sdk()
        # We use our own path, never `results_url`: the SDK would follow that to any host and send the key.
        response = await self._ask(
            client.get(
                f"{_BATCHES}/{batch_id}/results",
                cast_to=http.Response,
                stream=True,
                options={
                    "headers": {"Accept": "application/x-jsonl", "Accept-Encoding": "identity"},
                    "max_retries": 0,
                    "follow_redirects": False,
                },
            )
        )
        try:
            yield self._stream(response)
        finally:
            await response.aclose()

    async def message(self, params: bytes, betas: Betas = ()) -> bytes:
        client = await self.open()
        _sdk, http = import_sdk()
        body = OnceBody(params)
        timeout = http.Timeout(self._idle_timeout, connect=CONNECT_TIMEOUT, read=self._answer_timeout)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(params)), **_beta(betas)}
        try:
            response = await self._ask(
                client.post(
                    _MESSAGES,
                    cast_to=http.Response,
                    content=body,
                    options={"headers": headers, "max_retries": 0, "follow_redirects": False, "timeout": timeout},
                )
            )
        except Unreachable as error:
            if body.begun:
                raise
            raise NotSent(error.message, error.hint) from error
        try:
            decode_message(response.content)
        except ValueError as error:
            raise self._not_theirs(error) from None
        return response.content

    async def free(self, path: str, body: bytes | None = None, betas: Betas = ()) -> bytes:
        if body is None:
            return (await self._get(path)).content
        client = await self.open()
        _sdk, http = import_sdk()
        options: Any = {"headers": _beta(betas), "max_retries": 0, "follow_redirects": False}
        return (await self._ask(client.post(path, cast_to=http.Response, content=body, options=options))).content

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _get(self, path: str, query: dict[str, object] | None = None) -> httpx2.Response:
        client = await self.open()
        _sdk, http = import_sdk()
        options: Any = {"params": query or {}, "max_retries": 0, "follow_redirects": False}
        return await self._ask(client.get(path, cast_to=http.Response, options=options))

    async def _ask(self, request: Any) -> httpx2.Response:
        """Sends one HTTP request and turns a failure into one of our errors."""
        sdk, http = import_sdk()
        self.calls += 1
        try:
            return cast("httpx2.Response", await request)
        except sdk.APIStatusError as error:
            headers, said = error.response.headers, said_by(error.response.content)
            failure = failed(
                error.status_code,
                None if said is None else self._clean(said),
                getattr(error, "error_code", None) or "",
                pause_of(headers.get("retry-after")),
                self._credentials.source,
                self._clean(who_answered(headers)),
            )
            if isinstance(failure, ApiError):
                failure.body = self._without_key(error.response.content)
            raise failure from None
        except sdk.APITimeoutError:
            raise Unreachable("The API did not answer in time.", ASK_LATER) from None
        except sdk.APIConnectionError as error:
            reason = self._clean(how_it_broke(error.__cause__ or error))
            raise Unreachable(f"The API could not be reached: {reason}.", ASK_LATER) from None
        except http.HTTPError as error:
            raise Unreachable(f"The connection broke: {self._clean(how_it_broke(error))}.", ASK_LATER) from None
        except (sdk.AnthropicError, TypeError) as error:  # TypeError: the SDK found nothing to sign in with
            raise NoKey(f"The SDK cannot sign in: {self._clean(str(error))}", "Set ANTHROPIC_API_KEY.") from None

    async def _stream(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        _sdk, http = import_sdk()
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        except http.TimeoutException:
            raise Unreachable("The download stalled for too long.", ASK_LATER) from None
        except http.HTTPError as error:
            raise Unreachable(f"The download was interrupted: {self._clean(how_it_broke(error))}.", ASK_LATER) from None

    def _about(self, batch_id: str, content: bytes) -> Remote:
        remote = self._decode(content, Remote)
        if remote.id != batch_id:
            said = self._clean(remote.id)
            raise Unreachable(f"The host answered about {said} when asked about {batch_id}.", ASK_LATER)
        return remote

    def _decode(self, content: bytes | Raw, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._not_theirs(error) from None

    def _not_theirs(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"The host's answer is not the API's: {self._clean(str(error))}.",
            "A proxy or a sign-in page may be in between. " + ASK_LATER,
        )

    def _without_key(self, content: bytes) -> bytes:
        key = self._credentials.key
        return content.replace(key.encode(), b"[key]") if key else content

    def _clean(self, text: str) -> str:
        """Puts text from outside on one line and removes the key, in case the server echoed it."""
        key = self._credentials.key
        return inert_line(text.replace(key, "[key]") if key else text)
