"""Asking archived requests one by one through the Messages API: a few at a time, at the standard price.

Each answer is a line of a journal, as a batch would give it, so that a run that was stopped or killed goes on with the
rest. The API knows no idempotency: a request whose answer was lost may have been billed, and is asked again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from batchtui.core.api.protocol import Api, Report
from batchtui.core.api.result_line import decode_error
from batchtui.core.errors import ApiError, BatchtuiError, NotSent, Stopped, Unreachable
from batchtui.core.logs import log
from batchtui.core.results.journal import Journal

PARALLEL = 8
"""So many requests are under way at a time unless a person says otherwise."""

TRIES = 6
"""So often a request is asked that the API fails to answer, or that could not be sent."""

TRIES_LOST = 3
"""So often where the answer was lost on the way: each of them may be billed."""

PAUSE = 0.5
"""Seconds before the second try where the API does not say how long; doubled for each further one."""

LONGEST_PAUSE = 30.0

_DOWN_AFTER = 3
"""So many requests in a row that were given up, and the API counts as down, however few are under way at a time."""

_OWN_FAULT = frozenset({400, 404, 413, 422})
"""Statuses that speak of one request: what a batch would answer it with."""

_NO_MONEY = ("usage limits", "credit balance")
"""What a 400 says that speaks of the account (https://docs.claude.com/en/api/errors)."""

_KINDS = {429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error"}


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
    parallel: int = PARALLEL,
    stop: asyncio.Event | None = None,
    report: Report | None = None,
    tell: Callable[[str], None] = log.info,
) -> None:
    """Asks what the journal has no answer to, at most `parallel` at a time, until it has all `total`.

    Setting `stop` lets what is under way come in and asks nothing more. `report` gets answers and their total; `tell`
    is told why it waits. A request that fails for good is an `errored` result.

    Raises:
        Stopped: `stop` was set before the end.
        Unreachable: the API does not answer any more.
        BatchtuiError: the key, the account or the disk does not allow more. What is answered by then is kept.
    """
    sending = _Sending(api, journal, stop or asyncio.Event(), parallel, tell)
    if report:
        sending.told = lambda: report(len(journal.ids), total)
        sending.told()
    with archive.open("rb") as file:
        rows = _unanswered(file, journal.ids)
        async with asyncio.TaskGroup() as group:
            for _ in range(parallel):
                group.create_task(sending.work(rows))
    if sending.failed:
        raise sending.failed
    if len(journal.ids) < total:
        raise Stopped("It was stopped before the end.")


def _unanswered(rows: Iterable[bytes], answered: set[str]) -> Iterator[_Row]:
    """The archived rows that are not answered, in their order."""
    for raw in rows:
        row = _row.decode(raw)
        if row.custom_id not in answered:
            yield row


class _Sending:
    """What the workers of one run share."""

    def __init__(
        self, api: Api, journal: Journal, stop: asyncio.Event, parallel: int, tell: Callable[[str], None]
    ) -> None:
        self._api = api
        self._journal = journal
        self._stop = stop
        self._tell = tell
        self._most_given_up = max(parallel, _DOWN_AFTER)
        self._not_before = 0.0
        self._answered = self._given_up = 0
        self.failed: BatchtuiError | None = None
        self.told: Callable[[], None] = lambda: None

    async def work(self, rows: Iterator[_Row]) -> None:
        """Takes row after row, as long as all is well."""
        for row in rows:
            try:
                result = None if self._stop.is_set() else await self._result(row)
                if result is None:
                    return
                raw = b'{"custom_id":%b,"result":%b}\n' % (msgspec.json.encode(row.custom_id), result)
                await asyncio.to_thread(self._journal.add, raw)
            except BatchtuiError as error:
                self.failed = self.failed or error
                self._stop.set()  # what is under way is paid for: it may come in
                return
            self.told()

    async def _result(self, row: _Row) -> bytes | None:
        """How a request ended; None where it was stopped before."""
        tries, answered = 0, self._answered
        while await self._may_go():
            try:
                message = await self._api.message(bytes(row.params))
            except ApiError as error:
                if _is_own_fault(error):
                    self._given_up = 0
                    return _errored(error)
                if not isinstance(error, Unreachable) or (error.status or 500) < 400:
                    raise
                tries += 1
                log.info("%s: %s", row.custom_id, error.message)
                if tries >= _tries(error):
                    if error.status == 429 and self._answered > answered:
                        tries, answered = 0, self._answered
                    elif self._is_down(error):
                        raise
                    else:
                        return _errored(error)
                await self._pause(error, tries)
            else:
                self._answered += 1
                self._given_up = 0
                return b'{"type":"succeeded","message":%b}' % _on_one_line(message)
        return None

    def _is_down(self, error: ApiError) -> bool:
        """Whether it is the API that fails, and not this one request."""
        self._given_up += 1
        said_so = error.status is not None and error.status != 429
        return not (said_so and self._answered and self._given_up < self._most_given_up)

    async def _pause(self, error: ApiError, tries: int) -> None:
        usual = min(PAUSE * 2.0 ** max(tries - 1, 0), LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        seconds = usual if error.retry_after is None else error.retry_after
        if error.status != 429:
            await self._wait(seconds)
            return
        until = asyncio.get_running_loop().time() + seconds
        if until > self._not_before + 1 and seconds >= 5:
            self._tell(f"{error.message} Waiting {seconds:.0f} s.")
        self._not_before = max(self._not_before, until)

    async def _may_go(self) -> bool:
        """Waits as long as the API asked all of us to; false once stopped."""
        while not self._stop.is_set() and (left := self._not_before - asyncio.get_running_loop().time()) > 0:
            await self._wait(left)
        return not self._stop.is_set()

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


def _tries(error: ApiError) -> int:
    return TRIES if error.status is not None or isinstance(error, NotSent) else TRIES_LOST


def _is_own_fault(error: ApiError) -> bool:
    """Whether an error is about this request alone, said by the API itself and not by something in between."""
    about_account = any(words in error.message for words in _NO_MONEY)
    return error.status in _OWN_FAULT and not about_account and _is_envelope(error.body)


def _is_envelope(body: bytes) -> bool:
    try:
        return bool(decode_error(body).error.type)
    except ValueError:
        return False


def _errored(error: ApiError) -> bytes:
    """A result of the type `errored`, with the API's own words where it had some."""
    said = error.body
    if not _is_envelope(said):
        kind = _KINDS.get(error.status or 0, "api_error")
        said = msgspec.json.encode({"type": "error", "error": {"type": kind, "message": error.message}})
    return b'{"type":"errored","error":%b}' % _on_one_line(said)


def _on_one_line(raw: bytes) -> bytes:
    """JSON without line breaks: where it is valid they stand between tokens alone."""
    return raw.replace(b"\n", b" ").replace(b"\r", b" ")
