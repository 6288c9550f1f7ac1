"""Faults on request: what shall go wrong, at which calls, how often.

A plan is a fault with the calls it is meant for. Of the plans that fit a call, the first that is due decides what goes
wrong; those that only change what is said (`Lag`, `WrongCounts`, `ResultsUrl`) act together with it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Literal

from msgspec import Struct

Call = Literal["create", "list", "get", "cancel", "delete", "results", "message", "models", "count"]
CALLS: tuple[Call, ...] = ("create", "list", "get", "cancel", "delete", "results", "message", "models", "count")


class Answer(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """This answer instead of the right one. `accepted`: the call takes effect all the same.

    `kind` and `message` make the API's error body, `body` replaces all of it.
    """

    status: int
    kind: str = ""
    message: str = "This error was asked for."
    headers: dict[str, str] = {}
    body: str | None = None
    content_type: str = "application/json"
    accepted: bool = False


class Redirect(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Elsewhere: 301, 302, 303, 307 or 308 to `url`. The call takes no effect."""

    url: str
    status: int = 307


class Drop(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """The connection ends, by FIN or with `reset` by RST.

    `before`: as soon as the head of the request is there. `mid_request`: after `after_bytes` of its body.
    `unaccepted`: after the whole body, without any effect. `accepted`: after the call took effect (or was refused, as
    it deserved), without an answer.
    `mid_answer`: after the head and about half the body of the answer.
    """

    where: Literal["before", "mid_request", "unaccepted", "accepted", "mid_answer"]
    reset: bool = False
    after_bytes: int = 1


class Stall(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Nothing happens for `seconds`, or until the faults are cleared; then all goes on.

    `before`: nothing of the body is read yet. `accepted`: the call took effect. `mid_answer`: half of it is sent.
    """

    where: Literal["before", "accepted", "mid_answer"]
    seconds: float


class Truncate(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Results that stop after `lines` lines (None: half of them), at a line's edge or within the next line.

    `length`: a Content-Length announced more. `none`: no length at all, so that it looks like a clean end.
    `chunked`: without the last chunk. `short`: a proper answer that is just not all.
    """

    framing: Literal["length", "none", "chunked", "short"]
    at: Literal["edge", "middle"] = "edge"
    lines: int | None = None


class Damage(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """One result line, counted from 0, is wrong; all others are right.

    `garble`: not JSON any more. `omit`: not there. `double`: there twice. `insert`: `text` stands before it (without
    `text` a result of a custom_id that nobody sent). `replace`: `text` instead of it.
    """

    how: Literal["garble", "omit", "double", "insert", "replace"]
    line: int = 0
    text: str = '{"custom_id":"not-in-this-batch","result":{"type":"canceled"}}'


class Gzip(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Results come with Content-Encoding: gzip, less the last `cut` bytes."""

    cut: int = 0


class ResultsUrl(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Batches that have ended say this results_url; `{id}` in it becomes the id."""

    url: str


class Lag(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """The list does not show what was made in the last `seconds`."""

    seconds: float


class WrongCounts(Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """These numbers replace those of the same names in request_counts."""

    counts: dict[str, int]


Fault = Answer | Redirect | Drop | Stall | Truncate | Damage | Gzip | ResultsUrl | Lag | WrongCounts
ABOUT_RESULTS = (Truncate, Damage, Gzip)
WORDING = (ResultsUrl, Lag, WrongCounts)


class Plan(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A fault for a call: not the first `skip` times, then `times` times (None: for ever).

    `call` "any" means all of them; `batch_id` limits it to one batch. `seen` counts the calls that came to it.
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
        """Counts one more call, and says whether it is one that goes wrong."""
        self.seen += 1
        return self.seen > self.skip and (self.times is None or self.seen <= self.skip + self.times)


class Hit(Struct, frozen=True):
    """What shall go wrong with one call. `released` is set once the faults that there were as it came are cleared."""

    released: asyncio.Event
    fault: Fault | None = None
    results_url: str | None = None
    hidden_seconds: float = 0.0
    counts: dict[str, int] = {}

    @property
    def name(self) -> str | None:
        return type(self.fault).__name__ if self.fault else None

    async def stall(self, seconds: float) -> None:
        """Waits so long, or until the release: not at all where that came before the wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.released.wait()


class Faults:
    """The plans, in the order they were made, and the stalls that wait for their release."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self._released = asyncio.Event()

    def take(self, call: Call, batch_id: str | None) -> Hit:
        """What goes wrong with this call; it counts as seen."""
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
        """Forgets every plan and lets every stalled call go on."""
        self.plans.clear()
        self._released.set()
        self._released = asyncio.Event()
