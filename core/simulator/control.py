"""Controls a running simulator, for tests: what it was asked, what it holds, what should go wrong.

Uses plain HTTP to paths under `/_simulator/`; nothing here needs the `demo` extra.
"""

from __future__ import annotations

import time
from datetime import datetime
from http.client import HTTPConnection
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from batchtui.core.batches.remote import ProcessingStatus
from batchtui.core.simulator.calls import Received, Stats
from batchtui.core.simulator.faults import Call, Fault, Plan
from batchtui.core.simulator.world import Ending, SimulatorSettings

ROOT = "/_simulator"

T = TypeVar("T")


class Known(Struct, frozen=True):
    """A batch on the server."""

    id: str
    workspace: str
    created_at: datetime
    processing_status: ProcessingStatus
    requests: int


class Preload(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Batches that nobody sent, in the workspace of `key`: `count` of them with `requests` requests each.

    Each custom_id is `prefix` and a number. The newest batch is created at `created_at` (None: now), and each other
    one `every` seconds before the next. `duration` is in seconds; None leaves it to the settings.
    """

    key: str
    count: int = 1
    requests: int = 10
    prefix: str = "made-"
    created_at: datetime | None = None
    every: float = 60.0
    duration: float | None = None


class Told(Struct, frozen=True):
    """How the requests with these custom_ids end."""

    ending: Ending
    custom_ids: list[str]


class Control:
    """A client for one simulator; `url` is its base URL. Raises OSError if nothing answers."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)

    def stats(self) -> Stats:
        return self._ask("GET", "/stats", Stats)

    def calls(self, call: Call | None = None) -> list[Received]:
        """The calls received, of one kind or all, oldest first."""
        received = self._ask("GET", "/calls", list[Received])
        return [one for one in received if call in (None, one.call)]

    def wait_for_calls(self, call: Call, count: int, timeout: float = 60.0) -> list[Received]:
        """Waits until there are `count` calls of this kind, then returns them.

        Raises:
            TimeoutError: there are fewer after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while len(found := self.calls(call)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} {call} calls arrived in {timeout} s.")
            time.sleep(0.01)
        return found

    def batches(self) -> list[Known]:
        """Every batch in every workspace, newest first."""
        return self._ask("GET", "/batches", list[Known])

    def custom_ids(self, batch_id: str) -> list[str]:
        """The custom_ids in the order of the requests."""
        return self._ask("GET", f"/batches/{batch_id}/custom_ids", list[str])

    def preload(self, preload: Preload) -> list[str]:
        """Makes batches and returns their ids, newest first."""
        return self._ask("POST", "/batches", list[str], preload)

    def finish(self, batch_id: str) -> None:
        """Ends a batch now, as if all its time had passed."""
        self._ask("POST", f"/batches/{batch_id}/finish", None)

    def advance(self, batch_id: str, seconds: float) -> None:
        """Brings a batch's end nearer by `seconds`."""
        self._ask("POST", f"/batches/{batch_id}/advance", None, {"seconds": seconds})

    def archive(self, batch_id: str) -> None:
        """Makes a batch's results unavailable now."""
        self._ask("POST", f"/batches/{batch_id}/archive", None)

    def fault(
        self,
        call: Call | Literal["any"],
        *faults: Fault,
        times: int | None = 1,
        skip: int = 0,
        batch_id: str | None = None,
    ) -> None:
        """Plans faults for a call: `skip` calls pass, then each fault occurs in turn, `times` times (None: forever)."""
        for fault in faults:
            self._ask("POST", "/faults", None, Plan(call, fault, times, skip, batch_id))

    def faults(self) -> list[Plan]:
        """All plans in order, including those used up."""
        return self._ask("GET", "/faults", list[Plan])

    def clear_faults(self) -> None:
        """Forgets every plan and lets stalled calls continue."""
        self._ask("DELETE", "/faults", None)

    def settings(self, **changes: Any) -> SimulatorSettings:
        """Changes settings of the running simulator for batches made from now on, and returns all settings."""
        return self._ask("POST", "/settings", SimulatorSettings, changes)

    def lay_down(self, custom_id: str, result: bytes | dict[str, Any]) -> None:
        """Sets the `result` of every request with this custom_id from now on: one line of raw bytes, or an object."""
        raw = result if isinstance(result, bytes) else msgspec.json.encode(result)
        self._ask("PUT", f"/results/{custom_id}", None, msgspec.Raw(raw))

    def tell(self, ending: Ending | str, *custom_ids: str) -> None:
        """Sets how requests with these custom_ids end in batches made from now on: `cut`, `refused`, `paused`, `unfit`,
        `failed`, `expired`. As with shares, what is sent again succeeds if its cause allows it."""
        self._ask("POST", "/endings", None, Told(Ending(ending), list(custom_ids)))

    def reset(self) -> None:
        """Removes all batches, calls and faults, and restores the initial settings."""
        self._ask("POST", "/reset", None)

    def _ask(self, method: str, path: str, kind: type[T] | None, body: object = None) -> T:
        connection = HTTPConnection(self._address.hostname or "", self._address.port, timeout=60)
        try:
            connection.request(method, ROOT + path, None if body is None else msgspec.json.encode(body))
            response = connection.getresponse()
            said = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(f"{method} {ROOT}{path}: {response.status} {said.decode(errors='replace')}")
        return msgspec.json.decode(said, type=kind) if kind else None  # type: ignore[return-value]
