"""One call without a key: whether the API answers at all, who answers in its place, and what its clock says."""

from __future__ import annotations

import socket
import threading
from datetime import datetime
from urllib.parse import urlsplit

from msgspec import Struct

from batchtui.core.api import bounds
from batchtui.core.api.credentials import Credentials
from batchtui.core.api.http_errors import http_date, said_by, who_answered
from batchtui.core.api.sdk_client import build_http, import_sdk
from batchtui.core.api.sdk_faults import Faults
from batchtui.core.text import inert_line


class Answered(Struct, frozen=True):
    """An answer to a call without a key. It is `by_api` if it is the API's own refusal; `who` answered otherwise."""

    status: int
    by_api: bool
    who: str
    server_time: datetime | None


async def ask_without_key(base_url: str, api_version: str, patience: float) -> Answered:
    """Asks for the list of batches without a key, which the API refuses in its own words.

    Raises:
        Unreachable: nothing answered, or not within `patience` seconds at each step.
        BadInput: the proxy or the certificates set in the environment cannot be used.
    """
    _sdk, http = import_sdk()
    faults = Faults(Credentials("", None, base_url))
    timeout = http.Timeout(patience)
    async with build_http(base_url) as client:
        url = f"{base_url.rstrip('/')}/v1/messages/batches?limit=1"
        with faults.faults("The API did not answer in time.", "The API could not be reached"):
            async with client.stream("GET", url, headers={"anthropic-version": api_version}, timeout=timeout) as answer:
                body = await bounds.whole(answer.aiter_bytes(), bounds.ERROR, patience)
    return Answered(
        answer.status_code,
        said_by(body) is not None,
        inert_line(who_answered(answer.headers)),
        http_date(answer.headers.get("date")),
    )


def resolves_in_time(host: str, patience: float) -> bool:
    """Whether the name servers say anything about a host in time, be it that there is none.

    Nobody can end a look-up that hangs, and one in the event loop's own threads would keep the process from ending.
    """
    done = threading.Event()

    def look_up() -> None:
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError):  # the call itself says it better
            pass
        finally:
            done.set()

    threading.Thread(target=look_up, daemon=True).start()
    return done.wait(patience)


def host_of(base_url: str) -> str:
    """The host of a base URL."""
    return urlsplit(base_url).hostname or ""
