"""The connection below HTTP: writes raw answers and cuts them off."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_LINGER_NOT = struct.pack("ii", 1, 0)


class Wire:
    """One connection, stored in the scope as `scope["extensions"]["wire"]`."""

    def __init__(self, protocol: H11Protocol, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._transport = transport

    @property
    def gone(self) -> bool:
        """Whether the connection has ended or is about to."""
        return self._transport.is_closing()

    async def write(self, data: bytes) -> None:
        self._transport.write(data)
        if self._protocol.flow.write_paused:
            await self._protocol.flow.drain()

    def cut(self, *, reset: bool) -> None:
        """Ends the connection: with FIN once everything is sent, or at once with RST."""
        if not reset:
            self._transport.close()
            return
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()


class WiredProtocol(H11Protocol):
    """uvicorn's protocol, which gives the application access to the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        wire, app = Wire(self, transport), self.app

        async def wired(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {"wire": wire}
            await app(scope, receive, send)

        self.app = wired


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


class CutOff:
    """An answer that is sent in part, or not at all, before the connection ends.

    `head` is the status and the headers, or None for no answer at all. With `chunked`, the pieces are framed as chunks
    and the last, empty chunk is never sent.
    """

    def __init__(
        self,
        head: tuple[int, Iterable[tuple[str, str]]] | None = None,
        pieces: AsyncIterator[bytes] | None = None,
        *,
        chunked: bool = False,
        reset: bool = False,
    ) -> None:
        self.head = head
        self.pieces = pieces
        self.chunked = chunked
        self.reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire: Wire = scope["extensions"]["wire"]
        if self.head:
            status, headers = self.head
            lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{name}: {value}" for name, value in headers)]
            if self.chunked:
                lines.append("transfer-encoding: chunked")
            await wire.write("\r\n".join([*lines, "connection: close", "", ""]).encode())
        if self.pieces:
            async for piece in self.pieces:
                if wire.gone:
                    break
                await wire.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece)
        wire.cut(reset=self.reset)
        while (await receive())["type"] != "http.disconnect":
            continue
