"""The downloads of one process: one per batch, a few at a time. Each leaves its outcome on the batch's row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from batchtui.core.api.connection import Connection
from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import UNSETTLED, Batch, State, Trouble, retention_left
from batchtui.core.batches.observe import check_counts, observe, unclaimed
from batchtui.core.batches.remote import Remote
from batchtui.core.errors import BatchtuiError, NotFound, Unverified
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.paths import seen as file_at
from batchtui.core.results.retrieve import LOOKS_AGAIN, OtherBatch, retrieve
from batchtui.core.results.summary import Summary
from batchtui.core.state.store import Transaction
from batchtui.core.state.store_thread import StoreThread
from batchtui.core.text import inert_line, plural, size

AT_ONCE = 3

_NOT_THERE = "What was found for it in the API's list is not known to the API."
_TWIN = "What was found for it belongs to another API key, which sent the same ids."
_SEARCHED = "Do not submit it again: batchtui keeps looking for it."

_PATIENCE = timedelta(hours=1)
_LONGEST_REST = timedelta(hours=6)


class Downloads:
    """Downloads batches. A caller that asks for one already being downloaded follows the running download."""

    def __init__(self, connection: Connection, disk: StoreThread, paths: Paths, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._disk = disk
        self._paths = paths
        self._clock = clock
        self._running: dict[str, asyncio.Task[Batch]] = {}
        self._listeners: dict[str, list[Report]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def start(self, batch: Batch, report: Report | None = None) -> asyncio.Task[Batch]:
        """Downloads an ended batch. Awaiting the task gives the retrieved batch or raises what went wrong."""
        if report:
            self._listeners.setdefault(batch.ref, []).append(report)
        task = self._running.get(batch.ref)
        if task is None:
            task = asyncio.create_task(self._retrieve(batch))
            self._running[batch.ref] = task
            task.add_done_callback(lambda ended: self._ended(batch.ref, ended))
        return task

    async def close(self) -> None:
        """Stops the running downloads. Incomplete files are not kept; they are downloaded again another time."""
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, ref: str, task: asyncio.Task[Batch]) -> None:
        self._running.pop(ref, None)
        self._listeners.pop(ref, None)
        if not task.cancelled():
            task.exception()  # the row shows it, and maybe nobody waited for it

    async def _retrieve(self, batch: Batch) -> Batch:
        def tell(done: int, total: int | None) -> None:
            for listener in tuple(self._listeners.get(batch.ref, ())):
                listener(done, total)

        try:
            async with self._slots:
                made = await self._fetched(batch, tell)
        except BatchtuiError as error:
            if isinstance(error, OtherBatch) and await self._given_up(batch, error):
                log.warning("%s is not %s: its results have other ids", batch.id, batch.ref)
                raise
            if not batch.trouble or batch.trouble.message != error.message:  # each look tries again
                log.warning("%s not retrieved: %s", batch.label, error.message)
            if await self._was_never_there(batch, error):
                trouble = Trouble(_NOT_THERE, _SEARCHED, self._clock())
                await self._change(batch, lambda current: unclaimed(current, trouble, refuse=False))
                raise
            trouble, seen = Trouble.of(error, self._clock()), await self._look_again(batch, error)
            ours = batch.account in ("", self._connection.account)  # a 404 of another account says nothing
            gone = isinstance(error, NotFound) and ours and await self._lapsed(batch)
            await self._change(batch, lambda current: _failed(current, trouble, seen, gone=gone, ours=ours))
            raise
        except Exception as error:
            log.warning("%s not retrieved", batch.label, exc_info=error)
            hint = f"The details are in {self._paths.log_file}"
            broken = BatchtuiError(f"Retrieving it failed ({type(error).__name__}).", hint)
            trouble = Trouble.of(broken, self._clock())
            await self._change(batch, lambda current: _failed(current, trouble, None, gone=False, ours=False))
            raise broken from error
        if await self._is_a_twins(batch):
            log.warning("%s is not %s: it was found with another key, which sent the same ids", batch.id, batch.ref)
            twins = BatchtuiError(_TWIN, _SEARCHED)
            trouble = Trouble.of(twins, self._clock())
            await self._change(batch, lambda current: unclaimed(current, trouble, refuse=False))
            raise twins
        results = self._paths.result(str(batch.id))
        bytes_there = stat.st_size if (stat := file_at(results)) else 0
        counted, name = plural(made.counts.total, "result"), inert_line(batch.name, 60)
        log.info("%s (%s) retrieved: %s, %s, %s", batch.id, name, counted, size(bytes_there), results)
        return await self._change(batch, lambda current: self._retrieved(current, made)) or batch

    async def _given_up(self, batch: Batch, error: OtherBatch) -> bool:
        """Gives up the id of a batch whose results are another's, if it was found by time and count alone, or if its
        results have just the ids of a submission of unknown outcome. That one gets it: the two were mixed up."""
        account = self._connection.account
        trouble = Trouble(error.message, LOOKS_AGAIN, self._clock())

        def write(tx: Transaction) -> bool:
            current = tx.batch(batch.ref)
            if current is None or current.id != batch.id or current.attempt is None:
                return False
            owner = next((one for one in tx.snapshot.batches if _has_lost(one, error.digest, account)), None)
            if owner and owner.attempt:
                tx.put(replace(owner, attempt=replace(owner.attempt, proven=str(batch.id))))
            elif not current.doubtful:
                return False
            tx.put(unclaimed(current, trouble, refuse=owner is None))
            return True

        return await self._disk.commit(write)

    async def _was_never_there(self, batch: Batch, error: BatchtuiError) -> bool:
        """Whether the API, asked twice with its own key, does not know an id that was found by time and count."""
        if not (batch.doubtful and isinstance(error, NotFound) and batch.account in ("", self._connection.account)):
            return False
        try:
            await (await self._connection.api()).get(str(batch.id))
        except NotFound:
            return True
        except BatchtuiError:
            return False
        return False

    async def _is_a_twins(self, batch: Batch) -> bool:
        """Whether the ids of its results prove nothing: they came with a key that has a lost batch of the same ids."""
        account = self._connection.account
        if not batch.doubtful or batch.account in ("", account):
            return False
        return any(_has_lost(one, batch.digest, account) for one in (await self._disk.snapshot()).batches)

    async def _fetched(self, batch: Batch, tell: Report) -> Summary:
        """Downloads it. That its results are others' is believed only if they are so twice: a cache may mix them up,
        and an id that was given up wrongly is bought again."""
        api = await self._connection.api()
        try:
            return await retrieve(api, self._paths, batch, self._clock, tell)
        except OtherBatch:
            log.warning("%s has results with other ids; looking again", batch.id)
            return await retrieve(api, self._paths, batch, self._clock, tell)

    async def _change(self, batch: Batch, change: Callable[[Batch], Batch]) -> Batch | None:
        """Changes the downloaded batch, unless another id was found for it in the meantime."""
        return await self._disk.change(
            batch.ref, lambda current: change(current) if current.id == batch.id else current
        )

    def _retrieved(self, batch: Batch, made: Summary) -> Batch:
        return replace(
            batch,
            state=State.RETRIEVED,
            results_path=str(self._paths.result(str(batch.id))),
            retrieved_at=self._clock(),
            outcomes=made.outcomes,
            trouble=None,
            failing_since=None,
            doubtful=False,
            attempt=None,
            cost=replace(batch.cost, actual_usd=made.actual_usd, saved_usd=made.saved_usd),
        )

    async def _look_again(self, batch: Batch, error: BatchtuiError) -> Remote | None:
        """The batch as the API has it now, if its results are missing or do not match what was known about it."""
        if not isinstance(error, NotFound | Unverified):
            return None
        try:
            seen = await (await self._connection.api()).get(str(batch.id))
            check_counts(batch, seen)
        except BatchtuiError:
            return None
        return seen

    async def _lapsed(self, batch: Batch) -> bool:
        """Whether the API no longer keeps its results, by both clocks: ours alone may have been set years ahead."""
        at = (await self._connection.api()).server_time
        left = retention_left(batch, min(at, self._clock())) if at else None
        return left is not None and left < timedelta()


def _has_lost(batch: Batch, digest: str, account: str) -> bool:
    """Whether it is a submission of these ids whose outcome is not known under this account."""
    if batch.state not in UNSETTLED or batch.attempt is None:
        return False
    return (batch.attempt.account, batch.digest) == (account, digest)


def _failed(batch: Batch, trouble: Trouble, seen: Remote | None, *, gone: bool, ours: bool) -> Batch:
    """A 404 is final only past the API's retention, or if the API says that it archived the batch."""
    if batch.state is not State.ENDED:  # someone else was quicker
        return batch
    if seen:
        batch = observe(batch, seen, confirms=ours)
    since = batch.failing_since or trouble.at
    return replace(batch, state=State.GONE if gone else batch.state, trouble=trouble, failing_since=since)


def rests(batch: Batch, now: datetime) -> bool:
    """Whether to skip a try now because downloads have failed for long. After an hour, tries become ever rarer."""
    if batch.failing_since is None or batch.trouble is None:
        return False
    failing, since = batch.trouble.at - batch.failing_since, now - batch.trouble.at
    return failing > _PATIENCE and timedelta() <= since < min(failing / 4, _LONGEST_REST)  # a clock may be set back
