"""The API as this process reaches it: made when first needed, because that imports the SDK."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from batchtui.core.api.credentials import Credentials
from batchtui.core.api.protocol import Api
from batchtui.core.errors import BatchtuiError
from batchtui.core.settings import Settings


class KeyInfo(Struct, frozen=True):
    """Where the key comes from, and the end of it. Never the key."""

    source: str
    last4: str


class Connection:
    """One API for one process."""

    def __init__(self, settings: Settings, credentials: Callable[[], Credentials]) -> None:
        self._settings = settings
        self._credentials = credentials
        self._api: Api | None = None
        self.account = ""
        """Who `api` asks, as `Credentials.account`; empty before it was first called."""

    def key(self) -> KeyInfo | None:
        """Where the key would come from; None where there is none that can be used."""
        try:
            credentials = self._credentials()
        except BatchtuiError:
            return None
        return KeyInfo(credentials.source, credentials.last4)

    async def api(self) -> Api:
        """The API; the first call imports the SDK in a thread.

        Raises:
            NoKey: there is no key, or what is there cannot be one.
            BadInput: the key may not go to the host that is set.
        """
        if self._api is None:
            from batchtui.core.api.anthropic_sdk import AnthropicApi

            credentials = self._credentials()
            api = AnthropicApi(
                credentials,
                answer_timeout=self._settings.answer_timeout,
                idle_timeout=self._settings.idle_timeout,
                api_version=self._settings.api_version,
            )
            await api.open()
            self._api = self._api or api
            self.account = credentials.account
        return self._api

    async def close(self) -> None:
        if self._api is not None:
            await self._api.close()
