"""Sending archived requests singly through the Messages API: a few at a time, at the standard price.

Each answer is a line of a journal, as a batch would give it, so that a run that was stopped or killed continues with
the rest. The API has no idempotency key: a request whose answer was lost may have been billed, and is sent again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from batchtui.core.api.http_errors import is_about_the_account
from batchtui.core.api.protocol import Api, Betas, Report
from batchtui.core.errors import ApiError, BatchtuiError, NotSent, Stopped, Unreachable
from batchtui.core.logs import log
from batchtui.core.results.asked import Asked
from batchtui.core.results.journal import Journal

PARALLEL = 8
"""How many requests are under way at a time, unless the user sets another number."""

TRIES = 6
"""How often a request is tried if the API fails to answer it, or if it could not be sent."""

TRIES_LOST = 3
"""How often it is tried if the answer was lost on the way: each try may be billed."""

PAUSE = 0.5
"""Seconds before the second try if the API does not say how long; doubled for each further try."""

LONGEST_PAUSE = 30.0

_DOWN_AFTER = 3
"""How many requests in a row must be given up until the API counts as down, even if fewer are sent at a time."""

_OVERLOADED = 529
"""https://platform.claude.com/docs/en/api/errors"""

_CAME = b'{"type":"succeeded",'

_OWN_FAULT = frozenset({400, 404, 413, 422})
"""Statuses that are about a single request: a batch would answer it with the same."""


class _Row(Struct, gc=False):
    custom_id: str
    params: Raw


_row = msgspec.json.Decoder(_Row)


async def run(
    api: Api,
    archive: Path,
    journal: Journal,
    total: int,
    *,
    betas: Betas = (),
    parallel: int = PARALLEL,
    stop: asyncio.Event | None = None,
    report: Report | None = None,
    tell: Callable[[str], None] = log.info,
    tries_lost: int = TRIES_LOST,
    lost: Callable[[bytes], None] = lambda _: None,
    asked: Asked | None = None,
    patient: bool = False,
) -> None:
    """Sends the requests without an answer in the journal, at most `parallel` at a time, until it has all `total`.

    Setting `stop` lets requests under way finish and sends no more. `report` gets the number of answers and the total;
    `tell` gets the reason for a wait; `lost` gets the params of a request whose answer was lost, each time. `asked`
    notes what is sent, for whoever goes on after a kill. A request that fails for good becomes an `errored` result. If
    the run is `patient`, an overloaded API fails no request: it counts as down, and a later run goes on.

    Raises:
        Stopped: `stop` was set before it finished.
        Unreachable: the API no longer answers.
        BatchtuiError: the key, the account or the disk does not allow more. The answers so far are kept.
    """
    sending = _Sending(api, journal, stop or asyncio.Event(), parallel, tell, betas)
    sending.tries_lost, sending.lost = tries_lost, lost
    sending.asked, sending.patient = asked, patient
    if report:
        sending.told = lambda: report(len(journal.ids), total)
        sending.told()
    with archive.open("rb") as file:
        rows = _unanswered(file, journal.ids)
        async with asyncio.TaskGroup() as group:
            for _ in range(parallel):
                group.create_task(sending.work(rows))
    await sending.settle_aside(total)
    if sending.failed:
        raise sending.failed
    if len(journal.ids) < total:
        raise Stopped("It was stopped before it finished.")


def _unanswered(rows: Iterable[bytes], answered: set[str]) -> Iterator[_Row]:
    """The archived rows that are not answered, in order."""
    for raw in rows:
        row = _row.decode(raw)
        if row.custom_id not in answered:
            yield row


class _Sending:
    """What the workers of one run share."""

    def __init__(
        self, api: Api, journal: Journal, stop: asyncio.Event, parallel: int, tell: Callable[[str], None], betas: Betas
    ) -> None:
        self._api = api
        self._journal = journal
        self._stop = stop
        self._tell = tell
        self._betas = betas
        self._most_given_up = max(parallel, _DOWN_AFTER)
        self._not_before = 0.0
        self._answered = self._given_up = 0
        self._aside: list[tuple[_Row, ApiError]] = []
        self.failed: BatchtuiError | None = None
        self.told: Callable[[], None] = lambda: None
        self.tries_lost = TRIES_LOST
        self.lost: Callable[[bytes], None] = lambda _: None
        self.asked: Asked | None = None
        self.patient = False

    async def work(self, rows: Iterator[_Row]) -> None:
        """Takes one row after the other until something goes wrong."""
        for row in rows:
            try:
                result = None if self._stop.is_set() else await self._result(row)
                if result is None:
                    return
                if not result:
                    continue
                await self._keep(row, result)
                if result.startswith(_CAME):
                    self._is_back(row)
            except BatchtuiError as error:
                self.failed = self.failed or error
                self._stop.set()  # requests under way are paid for: they may finish
                return
            self.told()

    async def _keep(self, row: _Row, result: bytes) -> None:
        raw = b'{"custom_id":%b,"result":%b}\n' % (msgspec.json.encode(row.custom_id), result)
        await asyncio.to_thread(self._journal.add, raw)

    async def settle_aside(self, total: int) -> None:
        """What becomes of the requests that the API failed before it answered any other.

        If it answered others since, or all but a few were answered before, they failed by themselves. Else it is down.
        """
        if not self._aside or self._stop.is_set():
            return
        answered = len(self._journal.ids)
        if not (self._answered or (answered and total - answered < _DOWN_AFTER)):
            self.failed = self._aside[0][1]
            return
        for row, error in self._aside:
            await self._keep(row, _errored(error))
        self.told()

    def _is_back(self, row: _Row) -> None:
        if self.asked:
            self.asked.back(row.custom_id)

    async def _result(self, row: _Row) -> bytes | None:
        """How a request ended; None if it was stopped before that, empty if it was set aside."""
        tries, answered = 0, self._answered
        while await self._may_go():
            if self.asked:
                await asyncio.to_thread(self.asked.sent, row.custom_id)
            try:
                message = await self._api.message(bytes(row.params), self._betas)
            except ApiError as error:
                if _is_lost(error):
                    self.lost(bytes(row.params))
                else:
                    self._is_back(row)
                if _is_own_fault(error):
                    self._given_up = 0
                    return _errored(error)
                if not isinstance(error, Unreachable) or _not_from_the_api(error):
                    raise
                tries += 1
                log.info("%s: %s", row.custom_id, error.message)
                if tries >= (self.tries_lost if _is_lost(error) else TRIES):
                    if _asks_to_slow_down(error) and self._answered > answered:
                        tries, answered = 0, self._answered
                    elif self._is_down(error):
                        raise
                    elif not self._answered:
                        self._aside.append((row, error))
                        return b""
                    else:
                        return _errored(error)
                await self._pause(error, tries)
            except asyncio.CancelledError:
                self.lost(bytes(row.params))
                raise
            else:
                self._answered += 1
                self._given_up = 0
                return _CAME + b'"message":%b}' % _on_one_line(message)
        return None

    def _is_down(self, error: ApiError) -> bool:
        """Whether the API itself fails, and not just this request."""
        self._given_up += 1
        about_it = error.by_api and not _asks_to_slow_down(error) and not (self.patient and error.status == _OVERLOADED)
        return not (about_it and self._given_up < self._most_given_up)

    async def _pause(self, error: ApiError, tries: int) -> None:
        usual = min(PAUSE * 2.0 ** max(tries - 1, 0), LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        seconds = usual if error.retry_after is None else error.retry_after
        if not _asks_to_slow_down(error):
            await self._wait(seconds)
            return
        until = asyncio.get_running_loop().time() + seconds
        if until > self._not_before + 1 and seconds >= 5:
            self._tell(f"{error.message} Waiting {seconds:.0f} s.")
        self._not_before = max(self._not_before, until)

    async def _may_go(self) -> bool:
        """Waits as long as the API asked all workers to; false once stopped."""
        while not self._stop.is_set() and (left := self._not_before - asyncio.get_running_loop().time()) > 0:
            await self._wait(left)
        return not self._stop.is_set()

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


def _is_lost(error: ApiError) -> bool:
    """Whether there may be an answer that did not arrive."""
    return not error.by_api and not isinstance(error, NotSent)


def _is_own_fault(error: ApiError) -> bool:
    """Whether an error is about this request alone, and comes from the API itself, not from something in between."""
    return error.status in _OWN_FAULT and not is_about_the_account(error.message) and error.by_api


def _not_from_the_api(error: ApiError) -> bool:
    """Whether something in between turned the request down: it would turn down the others as well."""
    return error.status is not None and error.status < 500 and not error.by_api


def _asks_to_slow_down(error: ApiError) -> bool:
    return error.by_api and error.status == 429


def _errored(error: ApiError) -> bytes:
    """A result of the type `errored`, with the API's own envelope."""
    return b'{"type":"errored","error":%b}' % _on_one_line(error.body)


def _on_one_line(raw: bytes) -> bytes:
    """JSON without line breaks: in valid JSON they only occur between tokens."""
    return raw.replace(b"\n", b" ").replace(b"\r", b" ")
