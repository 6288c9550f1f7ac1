"""The SDK, imported late, and its client: retries and redirects off, and no proxy between us and this machine."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast, get_type_hints
from urllib.parse import SplitResult, urlsplit

from batchtui.core.api.bounds import refusing
from batchtui.core.api.credentials import Credentials
from batchtui.core.api.surroundings import fault_of
from batchtui.core.errors import BadInput, NoKey
from batchtui.core.hosts import is_loopback
from batchtui.core.text import inert_line

if TYPE_CHECKING:
    import anthropic
    import httpx2

CONNECT_TIMEOUT = 10.0
"""Seconds."""

_READ = 1 << 18  # bytes per read, as many as asyncio takes; the library's default, a quarter of it, costs twice as much


def build_client(
    credentials: Credentials, idle_timeout: float, api_version: str, clean: Callable[[str], str]
) -> anthropic.AsyncAnthropic:
    """The SDK's client for one key and one host; imports the SDK. `clean` takes the key out of a text from outside.

    Raises:
        NoKey: the SDK's own profile cannot be used.
        BadInput: the proxy or the certificates set in the environment cannot be used.
    """
    os.environ.pop("ANTHROPIC_LOG", None)  # with it the SDK prints every prompt to stderr
    if not os.environ.get("ANTHROPIC_BASE_URL"):
        os.environ.pop("ANTHROPIC_BASE_URL", None)  # the SDK would use an empty one as the host
    sdk, http = import_sdk()
    try:
        with _settings_named(clean):
            client = sdk.AsyncAnthropic(
                api_key=credentials.key,
                base_url=credentials.base_url,
                max_retries=0,
                default_headers={"anthropic-version": api_version},
                http_client=build_http(credentials.base_url, response=[refusing(idle_timeout)]),
                timeout=http.Timeout(idle_timeout, connect=CONNECT_TIMEOUT),
            )
    except sdk.AnthropicError as error:
        raise NoKey(f"The SDK cannot sign in: {clean(str(error))}", "Sign in again, or set a key.") from None
    if client.base_url.scheme != "https" and not is_loopback(client.base_url.host):
        raise NoKey(f"The profile names {inert_line(str(client.base_url))}, which is not https.", "Fix the profile.")
    return cast("anthropic.AsyncAnthropic", client)


def build_http(base_url: str | None, **hooks: list[Any]) -> httpx2.AsyncClient:
    """The HTTP client for a host: redirects off, and no proxy between us and this machine.

    Raises:
        BadInput: the proxy or the certificates set in the environment cannot be used.
    """
    sdk, http = import_sdk()
    with _settings_named(inert_line):
        direct = _direct(http, urlsplit(base_url or ""))
        client = sdk.DefaultAsyncHttpxClient(follow_redirects=False, event_hooks=hooks, **direct)
    return cast("httpx2.AsyncClient", client)


@contextmanager
def _settings_named(clean: Callable[[str], str]) -> Iterator[None]:
    """Turns what keeps a client from being made into a BadInput that names the setting."""
    _sdk, http = import_sdk()
    try:
        yield
    except (ImportError, OSError, ValueError, http.InvalidURL) as error:
        what, do = fault_of(error, os.environ, http.Proxy)
        raise BadInput(
            f"The connection cannot be set up: {what or clean(str(error))}.",
            do or "Check the proxy and certificate settings in the environment.",
        ) from None


def _direct(http: Any, url: SplitResult) -> dict[str, Any]:
    """The options for a host on this machine: without a transport of its own, the SDK's client asks HTTP_PROXY even
    for that one, whatever `trust_env` says. Plain http needs no certificates, so a bad SSL_CERT_FILE is no matter."""
    if not is_loopback(url.hostname or ""):
        return {}
    return {"transport": http.AsyncHTTPTransport(verify=url.scheme == "https")}


def import_sdk() -> tuple[Any, Any]:
    """The SDK and its HTTP library. No other function imports them."""
    import anthropic
    import httpcore2
    import httpx2

    httpcore2.AsyncHTTP11Connection.READ_NUM_BYTES = _READ
    return anthropic, httpx2


def import_request_types() -> tuple[Any, Any]:
    """The SDK's types for the params of one request in a batch: as they are, and with what only betas know."""
    sdk, _http = import_sdk()
    released = importlib.import_module(f"{sdk.__name__}.types.messages.batch_create_params")
    beta = importlib.import_module(f"{sdk.__name__}.types.beta.messages.batch_create_params")
    return tuple(get_type_hints(module.Request)["params"] for module in (released, beta))
