"""Faults on request: what should go wrong, for which calls, and how often.

A plan is a fault plus the calls it applies to. Of the plans that match a call, the first one due decides what goes
wrong. Faults that only change what an answer contains (`Lag`, `WrongCounts`, `ResultsUrl`) apply in addition to it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Literal

from msgspec import Struct

Call = Literal["create", "list", "get", "cancel", "delete", "results", "message", "models", "count"]
CALLS: tuple[Call, ...] = ("create", "list", "get", "cancel", "delete", "results", "message", "models", "count")


class Answer(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Sends this answer instead of the right one. With `accepted`, the call still takes effect.

    `kind` and `message` make up the API's error body; `body` replaces all of it.
    """

    status: int
    kind: str = ""
    message: str = "This error was requested."
    headers: dict[str, str] = {}
    body: str | None = None
    content_type: str = "application/json"
    accepted: bool = False


class Redirect(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Redirects to `url` with 301, 302, 303, 307 or 308. The call has no effect."""

    url: str
    status: int = 307


class Drop(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ends the connection with FIN, or with RST if `reset` is set.

    `before`: as soon as the request's headers are in. `mid_request`: after `after_bytes` of its body.
    `unaccepted`: after the whole body, without any effect. `accepted`: after the call took effect (or was rightly
    refused), without an answer. `mid_answer`: after the headers and about half the body of the answer.
    """

    where: Literal["before", "mid_request", "unaccepted", "accepted", "mid_answer"]
    reset: bool = False
    after_bytes: int = 1


class Stall(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Stalls for `seconds`, or until the faults are cleared, then continues.

    `before`: before any of the body is read. `accepted`: after the call took effect. `mid_answer`: after half the
    answer is sent.
    """

    where: Literal["before", "accepted", "mid_answer"]
    seconds: float


class Truncate(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Results that stop after `lines` lines (None: half of them), at the end of a line or in the middle of the next.

    `length`: Content-Length announces more. `none`: no length at all, so the end looks clean.
    `chunked`: the last chunk is missing. `short`: a well-formed answer that is simply incomplete.
    """

    framing: Literal["length", "none", "chunked", "short"]
    at: Literal["edge", "middle"] = "edge"
    lines: int | None = None


class Damage(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Damages one result line, counted from 0; all others are right.

    `garble`: it is no longer JSON. `omit`: it is missing. `double`: it appears twice. `insert`: `text` comes before
    it (by default a result for a custom_id that nobody sent). `replace`: `text` replaces it.
    """

    how: Literal["garble", "omit", "double", "insert", "replace"]
    line: int = 0
    text: str = '{"custom_id":"not-in-this-batch","result":{"type":"canceled"}}'


class Gzip(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Sends results with Content-Encoding: gzip, without the last `cut` bytes."""

    cut: int = 0


class ResultsUrl(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ended batches report this results_url; `{id}` in it becomes the batch id."""

    url: str


class Lag(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """The list leaves out batches made in the last `seconds`."""

    seconds: float


class WrongCounts(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """These numbers replace the ones with the same names in request_counts."""

    counts: dict[str, int]


Fault = Answer | Redirect | Drop | Stall | Truncate | Damage | Gzip | ResultsUrl | Lag | WrongCounts
ABOUT_RESULTS = (Truncate, Damage, Gzip)
WORDING = (ResultsUrl, Lag, WrongCounts)


class Plan(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A fault for a call: it skips the first `skip` calls, then occurs `times` times (None: forever).

    `call` "any" means every call; `batch_id` limits it to one batch. `seen` counts the calls that reached the plan.
    """

    call: Call | Literal["any"]
    fault: Fault
    times: int | None = 1
    skip: int = 0
    batch_id: str | None = None
    seen: int = 0

    def fits(self, call: Call, batch_id: str | None) -> bool:
        if self.call not in (call, "any") or (self.batch_id and self.batch_id != batch_id):
            return False
        if isinstance(self.fault, ABOUT_RESULTS) and call != "results":
            return False
        return self.times is None or self.seen < self.skip + self.times

    def due(self) -> bool:
        """Counts one more call and returns whether it should go wrong."""
        self.seen += 1
        return self.seen > self.skip and (self.times is None or self.seen <= self.skip + self.times)


class Hit(Struct, frozen=True):
    """What should go wrong with one call. `released` is set when the faults planned at its arrival are cleared."""

    released: asyncio.Event
    fault: Fault | None = None
    results_url: str | None = None
    hidden_seconds: float = 0.0
    counts: dict[str, int] = {}

    @property
    def name(self) -> str | None:
        return type(self.fault).__name__ if self.fault else None

    async def stall(self, seconds: float) -> None:
        """Waits `seconds` or until the release; does not wait if the release came first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.released.wait()


class Faults:
    """The plans in the order they were made, and the stalls waiting for release."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self._released = asyncio.Event()

    def take(self, call: Call, batch_id: str | None) -> Hit:
        """Decides what goes wrong with this call, and counts it as seen."""
        fault: Fault | None = None
        wording: dict[type, Fault] = {}
        for plan in self.plans:
            if isinstance(plan.fault, WORDING):
                if plan.fits(call, batch_id) and plan.due():
                    wording[type(plan.fault)] = plan.fault
            elif fault is None and plan.fits(call, batch_id) and plan.due():
                fault = plan.fault
        url, lag, counts = (wording.get(kind) for kind in WORDING)
        return Hit(
            self._released,
            fault,
            url.url if isinstance(url, ResultsUrl) else None,
            lag.seconds if isinstance(lag, Lag) else 0.0,
            counts.counts if isinstance(counts, WrongCounts) else {},
        )

    def clear(self) -> None:
        """Forgets every plan and lets every stalled call continue."""
        self.plans.clear()
        self._released.set()
        self._released = asyncio.Event()
