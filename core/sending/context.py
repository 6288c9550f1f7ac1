"""What the verbs that live in rooms of their own work with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from batchtui.core.api.connection import Connection
from batchtui.core.paths import Paths
from batchtui.core.sending.send import Sender
from batchtui.core.settings import Settings
from batchtui.core.state.store_thread import StoreThread


class Context(NamedTuple):
    """One process's hold on the API, the state, the files and the clock."""

    connection: Connection
    disk: StoreThread
    paths: Paths
    settings: Settings
    sender: Sender
    clock: Callable[[], datetime]
