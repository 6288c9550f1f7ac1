"""Handles one call, from its headers to the last byte of its answer, including any planned fault."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from email.utils import format_datetime
from itertools import islice

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from batchtui.core.simulator import faults as f
from batchtui.core.simulator.answers import chunks, lines
from batchtui.core.simulator.calls import Received, without_keys
from batchtui.core.simulator.damage import damaged, truncated, zipped
from batchtui.core.simulator.endpoints import Asked, Given, Simulator, admitted, answer
from batchtui.core.simulator.life import stamp
from batchtui.core.simulator.rules import MAX_BYTES, MAX_MESSAGE, Refused
from batchtui.core.simulator.wire import CutOff
from batchtui.core.simulator.world import Stored

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_ORGANIZATION = "00000000-0000-4000-8000-000000000000"
_JSON = "application/json"
_RESULTS = "application/x-jsonl"


def error_body(kind: str, message: str, request_id: str) -> bytes:
    """The API's error object."""
    error = {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    return msgspec.json.encode(error)


class Exchange:
    """One call."""

    def __init__(self, simulator: Simulator, call: f.Call, request: Request) -> None:
        self.simulator = simulator
        self.request = request
        self.call: f.Call = call
        self.batch_id: str | None = request.path_params.get("id")
        self.hit = simulator.faults.take(call, self.batch_id)
        self.headers = headers_for(simulator)
        retries = request.headers.get("x-stainless-retry-count", "")
        self.received = Received(
            number=simulator.log.totals.total() + 1,
            at=stamp(simulator.now()),
            call=call,
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            headers=without_keys(request.headers.items()),
            batch_id=self.batch_id,
            retry_count=int(retries) if retries.isdigit() else None,
            fault=self.hit.name,
        )
        simulator.log.note(self.received)

    async def run(self) -> Response | CutOff:
        """Handles the call. Every answer has the headers request-id, Date and Server."""
        fault = self.hit.fault
        if isinstance(fault, f.Stall) and fault.where == "before":
            await self.hit.stall(fault.seconds)
        if isinstance(fault, f.Drop) and fault.where == "before":
            return CutOff(reset=fault.reset)
        try:
            body = await self._read(fault)
        except ClientDisconnect:
            return CutOff()
        if isinstance(fault, f.Drop) and fault.where in ("mid_request", "unaccepted"):
            return CutOff(reset=fault.reset)
        if isinstance(fault, f.Redirect):
            return self._plain(fault.status, b"", {"location": fault.url})
        if isinstance(fault, f.Answer) and not fault.accepted:
            return self._instead(fault)
        try:
            workspace, judge = admitted(self.request.headers, self.simulator.now())
            base_url = f"{self.request.url.scheme}://{self.request.url.netloc}"
            query = dict(self.request.query_params)
            asked = Asked(workspace, judge, base_url, self.batch_id, query, body, self.hit)
            given = await answer(self.simulator, self.call, asked)
            self.headers["anthropic-workspace-id"] = workspace
        except Refused as refused:
            given = Given(error_body(refused.kind, refused.message, self.headers["request-id"]), refused.status)
        if given.made:
            self.received.accepted = given.made.id
        return await self._send(given)

    async def _read(self, fault: f.Fault | None) -> bytearray | None:
        """The whole body, or None if it is over the limit. A `mid_request` drop stops reading early."""
        body, most = bytearray(), MAX_MESSAGE if self.call in ("message", "count") else MAX_BYTES
        stop_after = fault.after_bytes if isinstance(fault, f.Drop) and fault.where == "mid_request" else None
        async for piece in self.request.stream():
            self.received.body_bytes += len(piece)
            if self.received.body_bytes <= most:
                body += piece
            if stop_after is not None and self.received.body_bytes >= stop_after:
                return None
        self.received.complete = True
        return body if self.received.body_bytes <= most else None

    async def _send(self, given: Given) -> Response | CutOff:
        fault = self.hit.fault
        if isinstance(fault, f.Stall) and fault.where == "accepted":
            await self.hit.stall(fault.seconds)
        if isinstance(fault, f.Drop) and fault.where == "accepted":
            return CutOff(reset=fault.reset)
        if isinstance(fault, f.Answer):
            return self._instead(fault)
        if given.results_of:
            return await self._results(given.results_of)
        half = len(given.body) // 2
        if isinstance(fault, f.Drop):
            head = self._head(given.status, _JSON, len(given.body))
            return CutOff(head, _in_turn(iter([given.body[:half]])), reset=fault.reset)
        if isinstance(fault, f.Stall) and fault.where == "mid_answer":
            self.headers["content-length"] = str(len(given.body))
            pieces = self._pausing(iter([given.body[:half]]), iter([given.body[half:]]), fault.seconds)
            return self._stream(pieces, _JSON, given.status)
        return self._plain(given.status, given.body, {})

    async def _results(self, batch: Stored) -> Response | CutOff:
        fault = self.hit.fault
        found = lines(batch, self.simulator.world.results)
        match fault:
            case f.Damage():
                return self._stream(_in_turn(chunks(damaged(found, fault))), _RESULTS)
            case f.Gzip(cut):
                self.headers["content-encoding"] = "gzip"
                packed = await asyncio.to_thread(zipped, found, cut)
                return self._stream(_in_turn(iter([packed])), _RESULTS)
            case f.Stall():
                first_half = chunks(islice(found, batch.size // 2))
                return self._stream(self._pausing(first_half, chunks(found), fault.seconds), _RESULTS)
            case f.Drop(_, reset):
                some = chunks(truncated(found, f.Truncate("chunked", "middle"), batch.size))
                return CutOff(self._head(200, _RESULTS), _in_turn(some), chunked=True, reset=reset)
            case f.Truncate(framing):
                some = chunks(truncated(found, fault, batch.size))
                if framing == "short":
                    return self._stream(_in_turn(some), _RESULTS)
                whole = lines(batch, self.simulator.world.results)
                length = await asyncio.to_thread(_length, whole) if framing == "length" else None
                return CutOff(self._head(200, _RESULTS, length), _in_turn(some), chunked=framing == "chunked")
            case _:
                return self._stream(_in_turn(chunks(found)), _RESULTS)

    async def _pausing(self, first: Iterator[bytes], then: Iterator[bytes], seconds: float) -> AsyncIterator[bytes]:
        async for piece in _in_turn(first):
            yield piece
        await self.hit.stall(seconds)
        async for piece in _in_turn(then):
            yield piece

    def _head(self, status: int, kind: str, length: int | None = None) -> tuple[int, list[tuple[str, str]]]:
        self.received.status = status
        headers = {**self.headers, "content-type": kind}
        if length is not None:
            headers["content-length"] = str(length)
        return status, list(headers.items())

    def _stream(self, pieces: AsyncIterator[bytes], kind: str, status: int = 200) -> Response:
        self.received.status = status
        return StreamingResponse(pieces, status, headers={**self.headers, "content-type": kind})

    def _plain(self, status: int, body: bytes, headers: dict[str, str], kind: str = _JSON) -> Response:
        self.received.status = status
        return Response(body, status, headers={**self.headers, "content-type": kind, **headers})

    def _instead(self, fault: f.Answer) -> Response:
        if fault.body is not None:
            return self._plain(fault.status, fault.body.encode(), fault.headers, fault.content_type)
        kind = fault.kind or _KINDS.get(fault.status, "api_error")
        body = error_body(kind, fault.message, self.headers["request-id"])
        return self._plain(fault.status, body, fault.headers)


def headers_for(simulator: Simulator) -> dict[str, str]:
    """The headers of every answer."""
    return {
        "server": "batchtui-simulator",
        "date": format_datetime(simulator.now(), usegmt=True),
        "request-id": f"req_01{secrets.token_hex(11)}",
        "anthropic-organization-id": _ORGANIZATION,
    }


def _length(pieces: Iterator[bytes]) -> int:
    return sum(len(piece) for piece in pieces)


async def _in_turn(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yields the pieces and lets other calls run between them."""
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)
