"""One look at the API: what became of unknown submissions, and how far the batches under way are.

A list page shows 1,000 batches, so a look costs one call, while most tools make one call per batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.api.protocol import Api
from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Snapshot, State, Trouble, observe
from batchtui.core.batches.remote import Remote
from batchtui.core.errors import ApiError, BatchtuiError, Unreachable
from batchtui.core.lock import Lock
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.sending.settle import Settled, claim, given_up, oldest_needed, settle
from batchtui.core.state.store import Transaction
from batchtui.core.state.store_thread import StoreThread

LOOKED_FOR = timedelta(days=2)
"""How long the list is searched for an unknown submission. If it is not there by then, it never appears."""

_FOUND = "The answer was lost; found in the API's list by time and size. The ids of its results decide."
_NOT_YET = "The API's list does not show it yet."
_NOTHING = "The API's list does not show it. It was most likely never accepted, so nothing was bought."
_OTHER = "It was sent with another API key or to another host. The list of the one set now does not show it."
_SET_IT = (
    "Do not submit it again. Set that key and run batchtui --once, or forget it if that key's Console shows nothing."
)
_SEVERAL = "Its answer was lost, and {} batches in the API's list could be it. The ids of their results will tell."
_DECIDE = "If the Console does not show it either, forget it and submit the file again. It is never sent automatically."
_MAY_COME = "Do not submit it again: it may have been accepted anyway. batchtui keeps looking for it."
_WAIT = "Do not submit it again: batchtui compares them with what was sent as soon as they have ended."


class Looked(Struct, frozen=True):
    """`several` are candidates for unknown submissions, by ref; `failures` are errors, by ref."""

    several: dict[str, tuple[Remote, ...]] = {}
    failures: dict[str, BatchtuiError] = {}


def open_intents(snapshot: Snapshot) -> list[Batch]:
    """Submissions of unknown outcome that are worth looking for, however long this machine was off."""
    return [
        batch
        for batch in snapshot.batches
        if batch.state in UNSETTLED
        and batch.attempt
        and (batch.attempt.looked_at is None or batch.attempt.looked_at - batch.attempt.started_at < LOOKED_FOR)
    ]


def under_way(snapshot: Snapshot) -> list[Batch]:
    return [batch for batch in snapshot.batches if batch.state in UNDER_WAY]


async def look(api: Api, disk: StoreThread, paths: Paths, clock: Callable[[], datetime], account: str = "") -> Looked:
    """Looks once, as `account`, and writes what it saw in one transaction.

    Raises:
        BatchtuiError: the API returned no list; nothing was changed.
    """
    now = clock()
    await orphaned(disk, paths, now)
    snapshot = await disk.snapshot()
    intents = [batch for batch in open_intents(snapshot) if batch.state is State.UNCONFIRMED]
    running = under_way(snapshot)
    if not intents and not running:
        return Looked()
    listed, server_now = await _list(api, running, oldest_needed(intents))
    failures: dict[str, BatchtuiError] = {}
    for batch in running:
        if batch.id not in listed:
            try:
                listed[str(batch.id)] = await api.get(str(batch.id))
            except ApiError as error:
                # Healthy batches have answered 404 right after their create, and after their end: it means nothing.
                if isinstance(error, Unreachable) and not listed:
                    raise
                failures[batch.ref] = error

    def write(tx: Transaction) -> Settled:
        for batch in running:
            current = tx.batch(batch.ref)
            if current is None or current.state not in UNDER_WAY or current.id != batch.id:
                continue
            if batch.ref in failures:
                tx.put(replace(current, trouble=Trouble.of(failures[batch.ref], now)))
            else:
                tx.put(replace(observe(current, listed[str(batch.id)]), trouble=None))
        # The list may show what another process has sent since, so the state as it is now decides.
        unsettled = [one for one in tx.snapshot.batches if one.state in UNSETTLED and one.attempt]
        claimed = {one.id for one in tx.snapshot.batches if one.id}
        settled = settle(unsettled, listed.values(), claimed)
        for intent in intents:
            current = tx.batch(intent.ref)
            if current and current.state is State.UNCONFIRMED:
                found, several = settled.found.get(intent.ref), settled.several.get(intent.ref, ())
                tx.put(_decided(current, found, several, server_now, account))
        return settled

    settled = await disk.commit(write)
    _tell(running, listed, {one.ref: settled.found[one.ref] for one in intents if one.ref in settled.found})
    return Looked(settled.several, failures)


async def orphaned(disk: StoreThread, paths: Paths, now: datetime) -> None:
    """Marks as unconfirmed what a process was sending when it died: the lock that it held is free."""
    if not any(batch.state is State.SUBMITTING for batch in (await disk.snapshot()).batches):
        return
    lock = Lock(paths.submit_lock)
    if not await disk.run(lock.try_acquire):
        return
    died = Trouble("The process that was sending it ended before the API answered.", _MAY_COME, now)

    def write(tx: Transaction) -> None:
        for batch in tx.snapshot.batches:
            if batch.state is State.SUBMITTING:
                log.warning("submit %s: its process is gone; looking for it in the API's list", batch.ref)
                tx.put(replace(batch, state=State.UNCONFIRMED, trouble=died))

    try:
        await disk.commit(write)
    finally:
        lock.release()


async def _list(
    api: Api, running: Sequence[Batch], back_to: datetime | None
) -> tuple[dict[str, Remote], datetime | None]:
    """Reads pages until everything is seen, or asking for the rest one by one is cheaper. Also returns server time."""
    if len(running) == 1 and back_to is None:
        return {}, None
    missing = {batch.id for batch in running}
    listed: dict[str, Remote] = {}
    server_now: datetime | None = None
    after: str | None = None
    for pages in count(1):
        page = await api.page(after_id=after)
        server_now = page.server_time or server_now
        listed |= {one.id: one for one in page.batches}
        missing -= listed.keys()
        if not page.has_more or not page.batches or page.batches[-1].id == after:
            break
        oldest = page.batches[-1]
        deep_enough = back_to is None or oldest.created_at < back_to
        if deep_enough and (not missing or len(missing) < pages):  # asking for each costs less than the pages did
            break
        after = oldest.id
    return listed, server_now


def _decided(
    batch: Batch, found: Remote | None, several: Sequence[Remote], server_now: datetime | None, account: str
) -> Batch:
    assert batch.attempt
    if found:
        return claim(batch, found)
    at = server_now or batch.submitted_at
    if several:
        return replace(batch, trouble=Trouble(_SEVERAL.format(len(several)), _WAIT, at))
    if batch.attempt.account not in ("", account):  # the list of another account proves nothing
        return replace(batch, trouble=Trouble(_OTHER, _SET_IT, at))
    seen = replace(batch, attempt=replace(batch.attempt, looked_at=server_now))
    if server_now and given_up(seen, server_now):
        return replace(seen, trouble=Trouble(_NOTHING, _DECIDE, at))
    return replace(seen, trouble=Trouble(_NOT_YET, _MAY_COME, at))


def _tell(running: Iterable[Batch], listed: dict[str, Remote], found: dict[str, Remote]) -> None:
    for batch in running:
        remote = listed.get(str(batch.id))
        if remote and remote.processing_status != batch.processing_status:
            log.info("%s is %s: %s", remote.id, remote.processing_status, remote.request_counts)
    for ref, remote in found.items():
        log.info("submit %s: %s %s", ref, _FOUND, remote.id)


def next_delay(snapshot: Snapshot, now: datetime) -> float:
    """Seconds until the next look is worth a call, based on the age of the youngest batch under way."""
    ages = [now - batch.began for batch in under_way(snapshot)]
    waiting = (one for one in snapshot.submissions.values() if one.waiting and not one.urgent)
    fresh = any(now - one.submitted_at < LOOKED_FOR for one in open_intents(snapshot))
    if fresh or any(not one.stopped for one in waiting):
        return 20.0
    if not ages:
        return 300.0
    youngest = min(ages)
    for limit, delay in ((2, 15.0), (10, 30.0), (60, 60.0), (360, 180.0)):
        if youngest < timedelta(minutes=limit):
            return delay
    return 300.0
