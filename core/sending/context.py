"""What all code that works on one state needs: the API, the state, the files, the settings and the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from batchtui.core.api.connection import Connection
from batchtui.core.paths import Paths
from batchtui.core.settings import Settings
from batchtui.core.state.store_thread import StoreThread


class Context(NamedTuple):
    """One process's access to one state."""

    connection: Connection
    disk: StoreThread
    paths: Paths
    settings: Settings
    clock: Callable[[], datetime]
