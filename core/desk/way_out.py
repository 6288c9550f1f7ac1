"""The way out at a deadline: what has not ended is canceled, and what has no answer then is sent at once.

`core.batches.deadline` decides what is due; each move here is one transaction, or is journaled. Canceling is for the
process that polls. So is answering, which goes on beside its cycles, as it may take hours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from batchtui.core.api.protocol import Api
from batchtui.core.batches import deadline
from batchtui.core.batches.batch import Batch, Snapshot, Submission, Trouble
from batchtui.core.batches.submissions import go_on_with
from batchtui.core.errors import BatchtuiError, Busy, Failure, OverLimit, Stopped, Unreachable, unforeseen
from batchtui.core.logs import log
from batchtui.core.sending.context import Context
from batchtui.core.sending.settle import SKEW
from batchtui.core.sending.submit import note
from batchtui.core.state.store import Transaction
from batchtui.core.text import inert_line, plural

_LAST_ANSWERS = 5.0
"""Seconds that answers under way have to arrive when the process ends. They are paid for."""

_FIRST_REST, _LONGEST_REST = 15.0, 600.0
"""Seconds until the next try after the API failed, doubled each time."""

_CLOCKS = "Its deadline is over by the clock of this machine, but not by the API's, which is at {:%Y-%m-%d %H:%M} UTC."
_SET_CLOCK = (
    "Nothing was canceled. Set the clock of this machine; if it is right, wait until the API's has come so far."
)
_NOT_OURS = (
    "Its deadline is over, but a batch was found by time and count alone. It may be somebody else's: not canceled."
)
_WAIT = "Once it has ended, its results decide, and what has no answer is sent at once."
_NO_PRICE = "What has no answer was not sent at once: its cost is not known, and there is a limit."


class WayOut:
    """The submissions of one state whose deadline is over."""

    def __init__(self, context: Context, advance: Callable[[list[Failure]], Awaitable[object]]) -> None:
        self._context = context
        self._disk = context.disk
        self._advance = advance
        self._answering: asyncio.Task[None] | None = None
        self._closing = False
        self._stop = asyncio.Event()
        self._failed: list[Failure] = []
        self._rests: dict[str, tuple[int, float]] = {}

    async def begin(self, api: Api, errors: list[Failure]) -> None:
        """Takes note of the deadlines that are over, and cancels what has not ended by then."""
        late = list(deadline.past(await self._disk.snapshot(), self._context.clock()))
        if late:
            server = (await api.page(limit=1)).server_time
            for submission in late:
                assert submission.deadline
                if server and server < submission.deadline - SKEW:
                    said = Trouble(_CLOCKS.format(server), _SET_CLOCK, self._context.clock())
                    await self._note_new(submission, said, errors)
                    continue
                await self._disk.commit(_go_out(submission.ref))
                log.warning("%s: its deadline is over", submission.ref)
        await self._cancel(errors)
        snapshot = await self._disk.snapshot()
        for submission in deadline.unsure(snapshot):
            await self._note_new(submission, Trouble(_NOT_OURS, _WAIT, self._context.clock()), errors)

    async def _cancel(self, errors: list[Failure]) -> None:
        from batchtui.core.desk.cancel import cancel

        for batch in deadline.to_cancel(await self._disk.snapshot()):
            try:
                await cancel(batch, self._context)
            except BatchtuiError as error:
                log.warning("%s not canceled at its deadline: %s", batch.label, error.message)
                errors.append(Failure(batch.ref, error))
                if isinstance(error, Unreachable):  # each of the others would take as long
                    return

    async def gather_rests(self, errors: list[Failure]) -> None:
        """Makes a part that waits of what has no answer in each overdue batch that is over."""
        for batch in deadline.rests_due(await self._disk.snapshot()):
            from batchtui.core.desk.way_out_rest import keep_rest

            try:
                await keep_rest(batch, self._context)
            except Busy as error:
                log.info("%s: %s", batch.label, error.message)
            except Exception as error:  # noqa: BLE001 - the others go on
                said = unforeseen(error, "Sending the rest at once")
                log.warning("%s: %s", batch.label, said.message, exc_info=None if said is error else error)
                await note(batch.submission, Trouble.of(said, self._context.clock()), self._disk)
                errors.append(Failure(batch.ref, said))
        snapshot = await self._disk.snapshot()
        for submission in deadline.unpriced(snapshot):
            hint = f"To send it all the same, give it another limit: {go_on_with(submission)} --max-cost USD"
            unknown = Trouble(_NO_PRICE, hint, self._context.clock(), OverLimit.code)
            await self._note_new(submission, unknown, errors)

    async def _note_new(self, submission: Submission, trouble: Trouble, errors: list[Failure]) -> None:
        if submission.trouble is None or submission.trouble.message != trouble.message:
            await note(submission.ref, trouble, self._disk)
            error = BatchtuiError(trouble.message, trouble.hint)
            error.code = trouble.code or error.code
            errors.append(Failure(next(iter(submission.batches), None), error))

    async def start(self) -> None:
        """Begins to send at once what may go, unless this process is at it already."""
        if self._closing or (self._answering and not self._answering.done()):
            return
        if self._ready(await self._disk.snapshot(), frozenset()):
            self._answering = asyncio.create_task(self._answer_all())

    @property
    def at_it(self) -> bool:
        """Whether it has begun to send at once, and nobody waited for the end of that yet."""
        return self._answering is not None

    async def done(self) -> list[Failure]:
        """Waits until nothing more can be sent at once. What went wrong since the last call."""
        if self._answering:
            await asyncio.wait({self._answering})
            self._answering = None
        failed, self._failed = self._failed, []
        return failed

    async def close(self) -> None:
        """Lets what is under way arrive, for a few seconds. Another process, or a later one, goes on."""
        self._closing = True
        self._stop.set()
        if self._answering:
            await asyncio.wait({self._answering}, timeout=_LAST_ANSWERS)
            self._answering.cancel()
            await asyncio.wait({self._answering})

    def _ready(self, snapshot: Snapshot, tried: frozenset[str]) -> list[Submission]:
        at = time.monotonic()
        every = (one for one, _ in deadline.to_answer(snapshot))
        return [one for one in every if one.ref not in tried and self._rests.get(one.ref, (0, 0.0))[1] <= at]

    async def _answer_all(self) -> None:
        tried = frozenset[str]()
        try:
            while not self._closing and (ready := self._ready(await self._disk.snapshot(), tried)):
                if not await self._answer(ready[0]):
                    tried |= {ready[0].ref}
                await self._advance(self._failed)  # outputs, then the next step, which waits to be answered again
        except Exception as error:  # noqa: BLE001 - the next cycle begins again
            log.exception("sending at once")
            self._failed.append(Failure(None, unforeseen(error, "Sending at once")))

    async def _answer(self, submission: Submission) -> bool:
        """Whether all that might be sent of it is answered."""
        from batchtui.core.desk.now_run import NowRun
        from batchtui.core.desk.now_runs import Runs

        run = NowRun(self._context, Runs(self._context.paths))
        every = deadline.to_answer(await self._disk.snapshot())
        parts = next((parts for one, parts in every if one.ref == submission.ref), ())
        self._stop = asyncio.Event()  # it is also set if a person cancels this one
        left = plural(sum(part.requests for part in parts), "request")
        log.info("%s: %s to be sent at once", submission.ref, left)
        try:
            await run.answer(submission, parts, self._stop)
        except (Stopped, Busy, OverLimit) as error:  # a person, or another process; the limit is judged by all
            log.info("%s: %s", submission.ref, error.message)
            return False
        except Exception as error:  # noqa: BLE001 - the others go on
            said = unforeseen(error, f"Sending what is left of {inert_line(submission.name, 60)} at once")
            log.warning("%s: %s", submission.ref, said.message, exc_info=None if said is error else error)
            await note(submission.ref, Trouble.of(said, self._context.clock()), self._disk)
            self._failed.append(Failure(next(iter(submission.batches), None), said))
            self._rest(submission, said)
            return False
        self._rests.pop(submission.ref, None)
        return True

    def _rest(self, submission: Submission, error: BatchtuiError) -> None:
        times = self._rests.get(submission.ref, (0, 0.0))[0] + 1
        usual = min(_FIRST_REST * 2.0 ** (times - 1), _LONGEST_REST)
        asked = error.retry_after if isinstance(error, Unreachable) else None
        self._rests[submission.ref] = times, time.monotonic() + min(max(usual, asked or 0.0), _LONGEST_REST)


def _go_out(ref: str) -> Callable[[Transaction], None]:
    """Marks a submission, and what has not ended of it, as going out."""

    def write(tx: Transaction) -> None:
        current = tx.submission(ref)
        if current is None or current.urgent or current.stopped or current.deadline is None:
            return
        ours: list[Batch] = [one for one in map(tx.batch, current.batches) if one]
        gone, late = deadline.gone_out(current, ours)
        tx.put_submission(gone)
        for one in late:
            tx.put(one)

    return write
