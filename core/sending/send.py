"""Sending one batch without ever paying twice.

The API has no idempotency key, so: look at the API's list, write the intent to disk, POST exactly once, write the id.
Whatever happens in between leaves an intent that `core.sending.settle` can settle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from batchtui.core.api.protocol import Api, Report
from batchtui.core.batches.batch import Attempt, Batch, Cost, Part, State, Submission, Trouble
from batchtui.core.batches.observe import observe
from batchtui.core.batches.remote import Remote
from batchtui.core.errors import ApiError, BatchtuiError, Busy, NoKey, NotSent, OutcomeUnknown, StateError, Unreachable
from batchtui.core.lock import Lock
from batchtui.core.logs import log
from batchtui.core.sending.context import Context
from batchtui.core.sending.horizon import Horizon, read_horizon
from batchtui.core.sending.look import look
from batchtui.core.sending.settle import why_not_it
from batchtui.core.state.archive import check_archive
from batchtui.core.state.lock_holder import stuck
from batchtui.core.state.store import Transaction
from batchtui.core.text import inert_line, plural, size

_PAUSES = (1.0, 4.0)
"""Seconds to wait before a body that certainly never arrived whole is sent again."""

_SETTLE_AFTER = (0.0, 2.0, 5.0)
"""Seconds to wait before each look at the API's list after a lost answer. Then it is left to the next cycle."""

_LOOKED_FOR = "batchtui looks for it in the API's list and never sends it again on its own."

_NOBODY_WAITS = 30.0

_HELD = 10.0
"""Seconds after which the lock is given up although the answer to what was sent is not here: others may send."""

Begin = Callable[[Transaction, Batch], None]
"""Writes the intent and whatever belongs to it, or raises if it must not be sent (any more)."""

Undo = Callable[[Transaction], None]
"""Undoes all of that: the batch was certainly not accepted."""


class Sender:
    """Sends one create at a time across all processes of one state, so that an unknown outcome has few candidates."""

    def __init__(self, context: Context, pause: Callable[[float], Awaitable[None]]) -> None:
        self._connection = context.connection
        self._disk = context.disk
        self._paths = context.paths
        self._clock = context.clock
        self._pause = pause
        self.in_flight = False
        """Whether a create is at the host: whoever ends this process now leaves an outcome that nobody knows."""

    async def send(
        self, part: Part, begin: Begin, undo: Undo, whole: Submission, report: Report | None = None
    ) -> Batch:
        """Sends an archived part as a batch of a submission. If its answer is lost, looks for it before giving up.

        Raises:
            OutcomeUnknown: it may have been accepted; the state keeps it as unconfirmed.
            BatchtuiError: it was certainly not accepted, or `begin` refused.
        """
        try:
            return await self._locked(part, begin, undo, whole, report)
        except OutcomeUnknown as unknown:
            log.warning("submit %s: %s", part.ref, unknown.message)
            found = await self._found(part.ref)
            if found is None:
                raise
            return found

    async def _found(self, ref: str) -> Batch | None:
        """The batch whose answer was lost, if the API's list shows it by now."""
        for pause in _SETTLE_AFTER:
            await self._pause(pause)
            try:
                api = await self._connection.api()
                await look(api, self._disk, self._paths, self._clock, self._connection.account)
            except BatchtuiError as error:
                log.warning("look: %s", error.message)
            found = next((one for one in (await self._disk.snapshot()).batches if one.ref == ref and one.id), None)
            if found:
                return found
        return None

    async def _locked(self, part: Part, begin: Begin, undo: Undo, whole: Submission, report: Report | None) -> Batch:
        lock = Lock(self._paths.submit_lock)
        await asyncio.to_thread(check_archive, self._paths.archive(part.ref), part)
        api = await self._connection.api()
        for pause in (*_PAUSES, None):
            horizon = await self._look_and_take(api, lock)
            try:
                batch = await self._intent(horizon, part, begin, whole)
                return await self._post(api, batch, undo, whole, report, lock)
            except NotSent as error:
                log.warning("submit %s: %s", part.ref, error.message)
                if pause is None:
                    raise
            finally:
                lock.release()
            await self._pause(pause)
        raise AssertionError

    async def _look_and_take(self, api: Api, lock: Lock) -> Horizon:
        """Reads the API's list, then takes the lock, so that no slow host keeps others waiting for it.

        What another process has sent in between may not be in the list yet: then it is read again.
        """
        while True:
            before = await self._sent()
            horizon = await read_horizon(api, self._clock())
            await _take(lock)
            try:
                if await self._sent() <= before:
                    return horizon
            except BaseException:
                lock.release()
                raise
            lock.release()

    async def _sent(self) -> frozenset[str]:
        """The batches of this state whose create is over, however it ended."""
        batches = (await self._disk.snapshot()).batches
        return frozenset(one.ref for one in batches if one.state is not State.SUBMITTING)

    async def _intent(self, horizon: Horizon, part: Part, begin: Begin, whole: Submission) -> Batch:
        now = self._clock()
        account = self._connection.account
        batch = Batch(
            ref=part.ref,
            name=whole.name,
            submission=whole.ref,
            submitted_at=now,
            requests=part.requests,
            state=State.SUBMITTING,
            part=part.number,
            step=part.step,
            step_name=whole.name_of_step(part.step),
            retry_of=part.retry_of,
            retried=part.retried,
            models=part.models,
            betas=whole.betas,
            deadline=whole.deadline if whole.deadline and whole.deadline > now else None,
            digest=part.digest,
            account=account,
            attempt=Attempt(
                started_at=horizon.started_at,
                bytes=part.bytes,
                nearby=horizon.ids,
                newest=horizon.newest,
                account=account,
            ),
            cost=Cost(part.estimated_usd, max_usd=part.max_usd),
        )

        def write(tx: Transaction) -> Batch:
            begin(tx, batch)
            return tx.batch(batch.ref) or batch

        return await self._disk.commit(write)

    async def _post(
        self, api: Api, batch: Batch, undo: Undo, whole: Submission, report: Report | None, lock: Lock
    ) -> Batch:
        assert batch.attempt
        late: asyncio.TimerHandle | None = None

        def sent(done: int, total: int | None) -> None:
            nonlocal late
            if done == total:
                late = asyncio.get_running_loop().call_later(_HELD, lock.release)
            if report:
                report(done, total)

        log.info("submit %s: %s, %s", batch.ref, plural(batch.requests, "request"), size(batch.attempt.bytes))
        self.in_flight = True
        try:
            remote = await api.create(self._paths.archive(batch.ref), sent, batch.betas)
            claimed = {one.id for one in (await self._disk.snapshot()).batches if one.id and one.ref != batch.ref}
            if why := why_not_it(batch, remote, claimed):
                raise OutcomeUnknown(f"The answer to the create is not about this batch: {why}.", _LOOKED_FOR)
        except OutcomeUnknown as error:
            await self._note(batch, State.UNCONFIRMED, Trouble.of(error, self._clock()))
            raise
        except (NoKey, Unreachable):  # includes NotSent
            await self._disk.commit(undo)
            raise
        except ApiError as error:
            await self._note(batch, State.REJECTED, Trouble.of(error, self._clock()))
            raise
        except asyncio.CancelledError:
            log.warning("submit %s: interrupted; the API's list settles it", batch.ref)
            await self._note(batch, State.UNCONFIRMED, self._interrupted())
            raise
        finally:
            self.in_flight = False
            if late:
                late.cancel()
        log.info("submit %s (%s): accepted as %s", batch.ref, inert_line(batch.name, 60), remote.id)
        try:
            return await self._disk.commit(lambda tx: _accepted(tx, batch, remote, whole))
        except BatchtuiError as error:
            raise StateError(
                f"The API accepted the batch as {remote.id}, but that could not be saved: {error.message}",
                f"Do not submit it again: the next poll finds it in the API's list. {error.hint}",
            ) from error

    async def _note(self, batch: Batch, state: State, trouble: Trouble) -> None:
        """Saves why there is no id. If that fails, the intent stays, and the next look settles it."""

        def write(tx: Transaction) -> None:
            current = tx.batch(batch.ref)
            if current is None or current.id:  # another process was told to forget it, or has found it in the list
                return
            tx.put(replace(current, state=state, trouble=trouble))
            whole = tx.submission(batch.submission)
            if whole and state is State.REJECTED and not batch.retry_of:  # waiting parts would be refused, too
                tx.put_submission(replace(whole, stopped=True, trouble=trouble))

        try:
            await self._disk.commit(write)
        except BatchtuiError as error:
            log.error("submit %s: %s", batch.ref, error.message)

    def _interrupted(self) -> Trouble:
        return Trouble(
            "Interrupted while it was being sent, so it is not known whether the API accepted it.",
            _LOOKED_FOR,
            self._clock(),
        )


def _accepted(tx: Transaction, intent: Batch, remote: Remote, whole: Submission) -> Batch:
    """Writes the answer to a create, and returns the batch. While it was on its way, others may have found the batch in
    the list, and even retrieved it, or were told to forget it; a batch that was bought is never forgotten."""
    current = tx.batch(intent.ref)
    if current is None:
        known = tx.submission(intent.submission) or replace(whole, batches=(), waiting=(), steps=())
        tx.put_submission(replace(known, batches=(*(ref for ref in known.batches if ref != intent.ref), intent.ref)))
        current = intent
    if current.id is None or (current.doubtful and current.id != remote.id and current.state is not State.RETRIEVED):
        current = observe(replace(current, state=State.SUBMITTING), remote, confirms=False)
    now = replace(current, doubtful=False, trouble=None) if current.id == remote.id else current
    tx.put(now)
    return now


async def _take(lock: Lock) -> None:
    """Waits for the lock in a thread. If the caller is canceled, it goes on and gives back what it takes."""
    taking = asyncio.get_running_loop().run_in_executor(None, _take_in_thread, lock)

    def give_back(ended: asyncio.Future[None]) -> None:
        if not ended.cancelled() and ended.exception() is None:
            lock.release()

    try:
        await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(give_back)
        raise


def _take_in_thread(lock: Lock) -> None:
    """Raises Busy, or PollerStalled if who holds it was stopped."""
    try:
        lock.acquire(_NOBODY_WAITS)
    except Busy as error:
        raise stuck(lock.path, "nobody else can send") or error from None
