"""This process's connection to the API. It is made when first needed, because that imports the SDK."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from msgspec import Struct

from batchtui.core.api.credentials import Credentials
from batchtui.core.api.protocol import Api
from batchtui.core.errors import BatchtuiError
from batchtui.core.programs import without_keys
from batchtui.core.settings import Settings


class KeyInfo(Struct, frozen=True):
    """Where the key comes from, and its last characters. Never the key itself."""

    source: str
    last4: str


class Connection:
    """Holds the one API object of a process."""

    def __init__(self, settings: Settings, credentials: Callable[[], Credentials]) -> None:
        self._settings = settings
        self._credentials = credentials
        self._api: Api | None = None
        self._used: Credentials | None = None
        self.account = ""
        """The account that `api` uses, as in `Credentials.account`; empty until `api` is first called."""

    def key(self) -> KeyInfo | None:
        """Where the key would come from; None if there is no usable key. May wait for the keyring."""
        try:
            credentials = self._credentials()
        except BatchtuiError:
            return None
        return KeyInfo(credentials.source, credentials.last4)

    def environment(self) -> dict[str, str]:
        """The environment for other programs: this process's own without the webhook's secret, and without the key,
        wherever that comes from."""
        try:
            key = self._credentials().key
        except BatchtuiError:
            key = None
        return without_keys(os.environ, self._settings.secret_variables, [key] if key else [])

    async def api(self) -> Api:
        """The API; the first call imports the SDK in a thread.

        Raises:
            NoKey: there is no key, or what was found cannot be a key.
            BadInput: the key may not be sent to the configured host.
        """
        if self._api is None:
            from batchtui.core.api.anthropic_sdk import AnthropicApi

            credentials = await asyncio.to_thread(self._credentials)
            api = AnthropicApi(
                credentials,
                answer_timeout=self._settings.answer_timeout,
                idle_timeout=self._settings.idle_timeout,
                api_version=self._settings.api_version,
            )
            await api.open()
            self._api = self._api or api
            self._used, self.account = credentials, credentials.account
        return self._api

    async def renew(self) -> None:
        """Looks at the sources of the key again. If there is another key or host, the next call uses it."""
        try:
            changed = self._used != self._credentials()
        except BatchtuiError:
            return
        if changed:
            await self.drop()

    async def drop(self) -> None:
        """Gives up all connections to the host, such as those that a sleep left dead. The next call makes new ones."""
        api, self._api = self._api, None
        if api is not None:
            await api.close()

    async def close(self) -> None:
        if self._api is not None:
            await self._api.close()
