"""The webhook: sends the JSON of an event to a URL by POST."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Event as Stop
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from batchtui.core.hosts import is_loopback
from batchtui.core.notices.channel import NotTold
from batchtui.core.notices.journal import Line
from batchtui.core.text import inert_line

TOTAL = 10.0
"""Seconds for one event, with all tries."""

PAUSES = (1.0, 3.0)
"""Seconds before the second and the third try."""

_STEP = 0.1
_READ = 64 * 1024
SIGNATURE = "X-Batchtui-Signature"


class _TryAgain(NotTold):
    """It did not work, and may work soon."""


class Webhook:
    """Follows no redirect, and reads no more of an answer than its status and a little."""

    def __init__(self, url: str, secret_variable: str, secret: str | None) -> None:
        self._url = url
        self._variable = secret_variable
        self._secret = secret

    def __call__(self, line: Line, stop: Stop) -> None:
        body = f"{line.text}\n".encode()
        headers = {"Content-Type": "application/json", "User-Agent": "batchtui", "Connection": "close"}
        if self._variable:
            if not self._secret:
                raise NotTold(f"the variable {inert_line(self._variable, 60)} with its secret is not set")
            headers[SIGNATURE] = signature(body, self._secret)
        until = time.monotonic() + TOTAL
        for pause in (*PAUSES, None):
            try:
                self._post(body, headers, until, stop)
            except _TryAgain:
                if pause is None or time.monotonic() + pause > until or stop.wait(pause):
                    raise
            else:
                return

    def _post(self, body: bytes, headers: dict[str, str], until: float, stop: Stop) -> None:
        """One POST in a thread of its own, whose connection is cut when the time is up or nobody waits any more."""
        connection = _connection(self._url, 2 * TOTAL)  # in case that it is not cut: the time for all tries decides
        outcome: list[NotTold | None] = []

        def post() -> None:
            try:
                _send(connection, self._url, body, headers, lambda: outcome.append(None))
            except NotTold as error:
                outcome.append(error)
            except Exception as error:  # noqa: BLE001 - the connection was cut under it, or it is a fault of ours
                outcome.append(NotTold(f"it failed ({type(error).__name__})"))

        thread = Thread(target=post, name="webhook", daemon=True)
        thread.start()
        while thread.is_alive() and time.monotonic() < until and not stop.is_set():
            thread.join(_STEP)
        over = bool(outcome)
        _cut(connection)
        if not over:
            raise NotTold("stopped" if stop.is_set() else f"it did not answer within {TOTAL:g} s")
        if outcome[0]:
            raise outcome[0]


def signature(body: bytes, secret: str) -> str:
    """HMAC-SHA256 of the body, in hexadecimal."""
    return hmac.new(secret.encode(errors="surrogateescape"), body, hashlib.sha256).hexdigest()


def _connection(url: str, timeout: float) -> HTTPConnection:
    """To the host, or to the proxy that the environment names for it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = urlsplit(getproxies().get("https", "")) if not is_loopback(host) and not proxy_bypass(host) else None
    if parts.scheme != "https":
        return HTTPConnection(host, parts.port, timeout=timeout)
    context = ssl.create_default_context()
    if proxy is None or not proxy.hostname:
        return HTTPSConnection(host, parts.port, timeout=timeout, context=context)
    connection = HTTPSConnection(proxy.hostname, proxy.port, timeout=timeout, context=context)
    connection.set_tunnel(host, parts.port)
    return connection


def _send(
    connection: HTTPConnection, url: str, body: bytes, headers: dict[str, str], taken: Callable[[], None]
) -> None:
    """Calls `taken` once the host says by its status that it has the event, whatever becomes of the rest."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, headers)
        with connection.getresponse() as answer:
            status = answer.status
            if 200 <= status < 300:
                taken()
                with suppress(OSError, HTTPException, ValueError):
                    answer.read(_READ)
                return
    except (OSError, HTTPException, ValueError) as error:
        raise _TryAgain(f"no answer from {_host(parts.hostname)}: {_words(error)}") from None
    if 300 <= status < 400:
        raise NotTold(f"{_host(parts.hostname)} sent it elsewhere ({status}), which is not followed")
    if status in (408, 425, 429) or status >= 500:
        raise _TryAgain(f"{_host(parts.hostname)} answered {status}")
    raise NotTold(f"{_host(parts.hostname)} answered {status}")


def _cut(connection: HTTPConnection) -> None:
    """Ends a connection that another thread waits on."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)
    with suppress(OSError, HTTPException):
        connection.close()


def _host(name: str | None) -> str:
    return inert_line(name or "", 100)


def _words(error: Exception) -> str:
    said = getattr(error, "strerror", None) or type(error).__name__
    return inert_line(str(said), 100)
