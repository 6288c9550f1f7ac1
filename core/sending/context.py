"""What all code that works on one state needs: the API, the state, the files, the settings and the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from batchtui.core.api.connection import Connection
from batchtui.core.paths import Paths
from batchtui.core.settings import Rules, Settings
from batchtui.core.state.store_thread import StoreThread


class Context(NamedTuple):
    """One process's access to one state. What it submits is sent with `betas`."""

    connection: Connection
    disk: StoreThread
    paths: Paths
    settings: Settings
    clock: Callable[[], datetime]
    betas: tuple[str, ...] = ()

    @property
    def rules(self) -> Rules:
        """What new requests are checked against."""
        return self.rules_with(self.betas)

    def rules_with(self, betas: tuple[str, ...]) -> Rules:
        """What requests that are sent with these betas are checked against."""
        return replace(self.settings.rules, betas=betas)
