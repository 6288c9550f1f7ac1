"""The way into a running simulator, for tests: what was asked, what there is, what shall go wrong.

Plain HTTP to paths under `/_simulator/`; nothing here needs the extra `demo`.
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
from batchtui.core.simulator.world import SimulatorSettings

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

    Their custom_ids are `prefix` and a number. The newest is made at `created_at` (None: now), each other one
    `every` seconds before the next. `duration` is in seconds; None leaves it to the settings.
    """

    key: str
    count: int = 1
    requests: int = 10
    prefix: str = "made-"
    created_at: datetime | None = None
    every: float = 60.0
    duration: float | None = None


class Control:
    """A client for one simulator; `url` is its base URL. Raises OSError where nobody answers."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)

    def stats(self) -> Stats:
        return self._ask("GET", "/stats", Stats)

    def calls(self, call: Call | None = None) -> list[Received]:
        """The calls received, oldest first, of one kind or all."""
        received = self._ask("GET", "/calls", list[Received])
        return [one for one in received if call in (None, one.call)]

    def wait_for_calls(self, call: Call, count: int, timeout: float = 60.0) -> list[Received]:
        """The same, once there are `count`.

        Raises:
            TimeoutError: there are not in `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while len(found := self.calls(call)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} {call} calls came in {timeout} s.")
            time.sleep(0.01)
        return found

    def batches(self) -> list[Known]:
        """Every batch of every workspace, newest first."""
        return self._ask("GET", "/batches", list[Known])

    def custom_ids(self, batch_id: str) -> list[str]:
        """In the order of the requests."""
        return self._ask("GET", f"/batches/{batch_id}/custom_ids", list[str])

    def preload(self, preload: Preload) -> list[str]:
        """Makes batches; their ids, newest first."""
        return self._ask("POST", "/batches", list[str], preload)

    def finish(self, batch_id: str) -> None:
        """Lets a batch end now, as if all its time had passed."""
        self._ask("POST", f"/batches/{batch_id}/finish", None)

    def advance(self, batch_id: str, seconds: float) -> None:
        """Brings its end nearer by so many seconds."""
        self._ask("POST", f"/batches/{batch_id}/advance", None, {"seconds": seconds})

    def archive(self, batch_id: str) -> None:
        """Makes its results unavailable now."""
        self._ask("POST", f"/batches/{batch_id}/archive", None)

    def fault(
        self,
        call: Call | Literal["any"],
        *faults: Fault,
        times: int | None = 1,
        skip: int = 0,
        batch_id: str | None = None,
    ) -> None:
        """Plans faults for a call: `skip` calls are fine, then each fault in turn `times` times (None: for ever)."""
        for fault in faults:
            self._ask("POST", "/faults", None, Plan(call, fault, times, skip, batch_id))

    def faults(self) -> list[Plan]:
        """The plans, spent ones too, in their order."""
        return self._ask("GET", "/faults", list[Plan])

    def clear_faults(self) -> None:
        """Forgets every plan; stalled calls go on."""
        self._ask("DELETE", "/faults", None)

    def settings(self, **changes: Any) -> SimulatorSettings:
        """Changes settings of the running simulator, for batches made from now on; all settings."""
        return self._ask("POST", "/settings", SimulatorSettings, changes)

    def lay_down(self, custom_id: str, result: bytes | dict[str, Any]) -> None:
        """The `result` of every request with this custom_id from now on: raw bytes on one line, or an object."""
        raw = result if isinstance(result, bytes) else msgspec.json.encode(result)
        self._ask("PUT", f"/results/{custom_id}", None, msgspec.Raw(raw))

    def reset(self) -> None:
        """No batch, no call, no fault, and the settings of the start."""
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
