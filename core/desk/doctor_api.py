"""Checks what lies between us and the API: the key, the host, the connection, and the clock.

One call without a key shows whether the API itself answers, and its clock; one with it whether the key is accepted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from batchtui.core.api.credentials import Credentials, find_credentials
from batchtui.core.api.http_errors import ASK_LATER
from batchtui.core.api.probe import Answered, ask_without_key, host_of, resolves_in_time
from batchtui.core.api.sdk_faults import HOST
from batchtui.core.api.surroundings import next_hop, way_to
from batchtui.core.desk.doctor_check import Asking, Check, failed, not_asked, not_known, well, wrong
from batchtui.core.errors import FAILED, UNREACHABLE, ApiError, BadInput, BatchtuiError, NoKey, NotFound, Unreachable
from batchtui.core.hosts import is_loopback
from batchtui.core.text import duration, inert_line

if TYPE_CHECKING:
    from batchtui.core.api.anthropic_sdk import AnthropicApi

KEY, HOST_NAME, CONNECTION, CLOCK = NAMES = ("key", "host", "connection", "clock")

PATIENCE = 5.0
"""Seconds for each step of a call."""

CLOCK_OFF = timedelta(minutes=1)
"""From here on, ages and times are visibly wrong, and soon certificates are not accepted."""

_SETTING = "ANTHROPIC_BASE_URL"

T = TypeVar("T")


class Found(Struct, frozen=True):
    """The key and the host that would be used. `no_key` and `no_host` say why there is none."""

    credentials: Credentials | None
    base_url: str
    no_key: BatchtuiError | None = None
    no_host: BatchtuiError | None = None

    @property
    def host(self) -> str:
        return host_of(self.base_url)

    @property
    def outside(self) -> str:
        """The host; empty if it is this machine, for which no proxy is asked."""
        return "" if is_loopback(self.host) else self.host


class Heard(Struct, frozen=True):
    """What came back. `without` is the answer to the call without a key, `refused` what was wrong with the one with it;
    `at` is our time in the middle of the first, which took `took` seconds."""

    without: Answered | None
    failure: BatchtuiError | None = None
    refused: BatchtuiError | None = None
    asked: bool = False
    at: datetime | None = None
    took: float = 0.0

    @property
    def trouble(self) -> BatchtuiError | None:
        """Why the API was not reached; None if it was: by its own refusal, or because it took the key."""
        if self.failure or self.without is None:
            return self.failure or Unreachable("Nothing answered.", "Check the network.")
        if isinstance(self.refused, Unreachable) and not self.refused.by_api:
            return self.refused
        if self.without.by_api or (self.asked and not self.refused) or isinstance(self.refused, NoKey | ApiError):
            return None
        who = f"HTTP {self.without.status} came from {self.without.who}, not from the API."
        return Unreachable(who, "Check the proxy or network in between.")


def look(asking: Asking) -> list[Check]:
    """The four checks, in the order of `NAMES`."""
    return asyncio.run(_look(asking))


async def _look(asking: Asking) -> list[Check]:
    found = find(asking)
    if asking.offline:
        return [_key_unasked(found), _host(found, None), *_unasked(found, asking)]
    if found.no_host:
        untold = [not_known(name, "Not asked: the host cannot be used.", "See host.") for name in (CONNECTION, CLOCK)]
        return [_key_unasked(found), _host(found, None), *untold]
    found, heard = await _ask(found, asking)
    return [key(found, heard), _host(found, heard), connection(found, heard, asking), clock(heard)]


def find(asking: Asking) -> Found:
    """The key and the host, without asking anyone."""
    environment, no_host = dict(asking.environment), None
    try:
        credentials = find_credentials(asking.settings, environment, asking.folder, asking.key_file)
    except NoKey as error:
        return Found(None, environment.get(_SETTING) or HOST, no_key=error)
    except BadInput as error:
        no_host = error
        del environment[_SETTING]
        try:
            credentials = find_credentials(asking.settings, environment, asking.folder, asking.key_file)
        except NoKey as missing:
            return Found(None, HOST, missing, no_host)
    return Found(credentials, credentials.base_url or HOST, None, no_host)


async def _ask(found: Found, asking: Asking) -> tuple[Found, Heard]:
    """Asks without the key, then with it. Returns what was found anew, since a profile may name a host of its own."""
    from batchtui.core.api.anthropic_sdk import AnthropicApi

    version, api = asking.settings.api_version, None
    try:
        if found.credentials:
            api = AnthropicApi(found.credentials, answer_timeout=PATIENCE, idle_timeout=PATIENCE, api_version=version)
            try:
                found = Found(found.credentials, str((await api.open()).base_url))
            except NoKey as error:
                found = Found(None, found.base_url, no_key=error)
        hop = next_hop(found.outside, asking.environment) or found.host
        if not await asyncio.to_thread(resolves_in_time, hop, PATIENCE):
            said = f"The name {inert_line(hop, 100)} was not looked up within {PATIENCE:g} s."
            raise Unreachable(said, "Check the network and its name servers (/etc/resolv.conf), or a VPN.")
        began, ticks = asking.clock(), time.monotonic()
        without = await _soon(ask_without_key(found.base_url, version, PATIENCE))
        took = time.monotonic() - ticks
        heard = Heard(without, at=began + timedelta(seconds=took / 2), took=took)
    except BatchtuiError as error:
        return found, Heard(None, failure=error)
    else:
        return found, await _with_key(api, heard) if api and found.credentials else heard
    finally:
        if api:
            await api.close()


async def _with_key(api: AnthropicApi, heard: Heard) -> Heard:
    refused: BatchtuiError | None = None
    try:
        await _soon(api.page(limit=1))
    except BatchtuiError as error:
        refused = error
    return Heard(heard.without, refused=refused, asked=True, at=heard.at, took=heard.took)


async def _soon(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(2 * PATIENCE):
            return await call
    except TimeoutError:
        raise Unreachable(f"The API did not answer within {2 * PATIENCE:g} s.", "Try again in a moment.") from None


def key(found: Found, heard: Heard) -> Check:
    """Whether there is a key, and whether the API accepts it."""
    if found.credentials is None:
        return failed(KEY, found.no_key or NoKey("No API key was found."))
    where = _where(found.credentials)
    if heard.trouble or not heard.asked:
        return not_known(KEY, f"{where} It is not known whether the API accepts it.", "See connection.", UNREACHABLE)
    match heard.refused:
        case None | NotFound():
            return well(KEY, f"{where} The API accepts it.")
        case Unreachable():
            said = f"{where} It is not known whether the API accepts it: {heard.refused.message}"
            return not_known(KEY, said, heard.refused.hint, UNREACHABLE)
        case _:
            return failed(KEY, heard.refused)


def _key_unasked(found: Found) -> Check:
    if found.credentials is None:
        return failed(KEY, found.no_key or NoKey("No API key was found."))
    where = _where(found.credentials)
    return not_known(KEY, where, "See host.") if found.no_host else well(KEY, f"{where} The API was not asked.")


def _where(credentials: Credentials) -> str:
    last = f" ({credentials.last4})" if credentials.last4 else ""
    return f"Found in {inert_line(credentials.source)}{last}."


def _host(found: Found, heard: Heard | None) -> Check:
    if found.no_host:
        return failed(HOST_NAME, found.no_host)
    base = inert_line(found.base_url.rstrip("/"))
    if heard and isinstance(heard.refused, NotFound):
        return wrong(HOST_NAME, f"{base} knows no Message Batches: {heard.refused.message}", f"Check {_SETTING}.")
    ours = found.credentials.base_url if found.credentials else found.base_url != HOST
    return well(HOST_NAME, f"{base}{f', from {_SETTING}' if ours else ''}.")


def connection(found: Found, heard: Heard, asking: Asking) -> Check:
    """Whether the API itself answers, and over which way."""
    way = way_to(found.outside, asking.environment)
    error = heard.trouble
    if error is None:
        return well(CONNECTION, f"The API answers in {heard.took:.1f} s, {way}.")
    if isinstance(error, ApiError) and error.hint == ASK_LATER:
        where = f"Check the network: name servers, firewall, VPN. The host is {inert_line(found.host, 100)}."
        changed = bool(asking.environment.get(_SETTING))
        error.with_hint(f"{where} It comes from {_SETTING}: is that right?" if changed else where)
    elif isinstance(error, ApiError) and error.advice:
        error.with_next("Nothing is lost meanwhile.")
    return failed(CONNECTION, error)


def _unasked(found: Found, asking: Asking) -> list[Check]:
    way = f"Not asked (--offline). Calls would go {way_to(found.outside, asking.environment)}."
    return [not_asked(CONNECTION, way), not_asked(CLOCK, "Not compared with the API's (--offline).")]


def clock(heard: Heard) -> Check:
    """Whether this machine's clock agrees with the API's, as its answer says."""
    if heard.trouble or heard.without is None or heard.at is None:
        return not_known(CLOCK, "Not compared with the API's, which was not reached.", "See connection.", FAILED)
    if heard.without.server_time is None:
        return not_asked(CLOCK, "The API's answer says no time.")
    off = heard.at - heard.without.server_time
    said = f"{duration(abs(off))} {'ahead of' if off > timedelta() else 'behind'} the API's"
    if abs(off) < timedelta(seconds=2):
        return well(CLOCK, "As the API's.")
    if abs(off) < CLOCK_OFF:
        return well(CLOCK, f"It is {said}.")
    hint = "Have it set from the network: timedatectl set-ntp true (Linux); Settings, Date & Time (macOS)."
    return wrong(CLOCK, f"This machine's clock is {said}: ages and what is left of 29 days are shown wrong.", hint)
