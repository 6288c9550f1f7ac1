"""One look at the API: what became of unknown submissions, and how far the batches under way are.

A list page shows 1,000 batches, so a look costs one call, while most tools make one call per batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.api.protocol import Api
from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Snapshot, State, Trouble
from batchtui.core.batches.observe import check_counts, observe, unclaimed
from batchtui.core.batches.remote import ProcessingStatus, Remote
from batchtui.core.errors import ApiError, BatchtuiError, NotFound, Unreachable
from batchtui.core.lock import Lock
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.sending.listing import Listing, read_list
from batchtui.core.sending.settle import Settled, claim, given_up, oldest_needed, settle, why_not_it
from batchtui.core.state.lock_holder import stuck
from batchtui.core.state.store import Transaction
from batchtui.core.state.store_thread import StoreThread
from batchtui.core.text import duration, inert_line, plural

LOOKED_FOR = timedelta(days=2)
"""How long the list is searched for an unknown submission. If it is not there by then, it never appears."""

_DOWN_AFTER = 3
"""Batches in a row whose answer did not come, after which no more are asked for singly."""

_FOUND = "The answer was lost; found in the API's list by time and count. The ids of its results decide."
_NOT_YET = "The API's list does not show it yet."
_NOTHING = "The API's list does not show it. It was most likely never accepted, so nothing was bought."
_OTHER = "It was sent with another API key or to another host. The list of the one set now does not show it."
_SET_IT = (
    "Do not submit it again. Set that key and run batchtui --once, or forget it if that key's Console shows nothing."
)
_SEVERAL = "Its answer was lost, and {} in the API's list could be it. The ids of the results will tell."
_NOT_WHOLE = "The API's list could not be read far enough back to tell whether it was accepted."
_FORGED = "The API does not know the batch that it was taken for, while its list shows another that could be it."
_OTHER_KEY = "It was sent with another API key or to another host, and is not known under the one set now."
_SET_THAT = "Nothing is lost. Set that key, and the next poll follows it again."
_DECIDE = (
    "If the Console does not show it either, forget it and submit the file again, or send just this once more: "
    "batchtui retry {}. It is never sent automatically."
)
_DECIDE_RETRY = "If the Console does not show it either, forget it and retry again. It is never sent automatically."
_MAY_COME = "Do not submit it again: it may have been accepted anyway. batchtui keeps looking for it."
_WAIT = "Do not submit it again: batchtui compares them with what was sent as soon as they have ended."


class Looked(Struct, frozen=True):
    """`several` are candidates for unknown submissions, by ref; `failures` are errors, by ref."""

    several: dict[str, tuple[Remote, ...]] = {}
    failures: dict[str, BatchtuiError] = {}


def open_intents(snapshot: Snapshot, now: datetime) -> list[Batch]:
    """Submissions of unknown outcome that are worth looking for, however long this machine was off.

    Only if both clocks have gone on for long, ours and the API's, is one given up.
    """
    return [
        batch
        for batch in snapshot.batches
        if batch.state in UNSETTLED
        and batch.attempt
        and (
            batch.attempt.looked_at is None
            or batch.attempt.looked_at - batch.attempt.started_at < LOOKED_FOR
            or now - batch.submitted_at < LOOKED_FOR
        )
    ]


def never_accepted(batch: Batch) -> bool:
    """Whether the last look, with its own key, found that it was most likely never accepted, for a person to decide."""
    return batch.state is State.UNCONFIRMED and batch.trouble is not None and batch.trouble.message == _NOTHING


def needs_person(batch: Batch) -> bool:
    """Whether looking on settles nothing: a person must decide about it, or set the key that it was sent with."""
    return never_accepted(batch) or (batch.trouble is not None and batch.trouble.message == _OTHER)


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
    waits = await _stopped_sender(snapshot, paths)
    intents = [batch for batch in open_intents(snapshot, now) if batch.state is State.UNCONFIRMED]
    running = under_way(snapshot)
    if not intents and not running:
        return Looked(failures=waits)
    if len(running) > 1 or intents:
        listing = await read_list(api, [str(one.id) for one in running], oldest_needed(intents))
    else:
        listing = Listing({}, None, complete=False)
    seen, failures = dict(listing.batches), dict[str, BatchtuiError]()
    unreachable = 0
    for batch in [one for one in running if one.id not in seen]:
        try:
            seen[str(batch.id)] = await api.get(str(batch.id))
            unreachable = 0
        except ApiError as error:
            # Healthy batches have answered 404 right after their create, and after their end: it means nothing.
            if isinstance(error, Unreachable) and not seen:
                raise
            failures[batch.ref] = error
            unreachable = unreachable + 1 if isinstance(error, Unreachable) else 0
            if unreachable == _DOWN_AFTER:  # each of the others would take as long
                failures = {one.ref: error for one in running if one.id not in seen} | failures
                break
    if lost := [one for one in running if not one.certain and isinstance(failures.get(one.ref), NotFound)]:
        listing = await read_list(api, (), oldest_needed([*intents, *lost]))
        seen |= listing.batches
        failures = {one.ref: failures[one.ref] for one in running if one.ref in failures and str(one.id) not in seen}

    def write(tx: Transaction) -> tuple[Settled, dict[str, BatchtuiError]]:
        trusted = accounts_of(tx.snapshot, seen, account)
        wrong = dict[str, BatchtuiError]()
        for batch in running:
            current = tx.batch(batch.ref)
            if current is None or current.state not in UNDER_WAY or current.id != batch.id:
                continue
            changed, error = _watched(current, seen.get(str(batch.id)), failures.get(batch.ref), account, trusted, now)
            if error and _is_somebody_elses(current, error, listing, tx.snapshot):
                changed, error = unclaimed(current, Trouble(_FORGED, _MAY_COME, now), refuse=False), None
            tx.put(changed)
            if error:
                wrong[batch.ref] = error
        # The list may show what another process has sent since, so the state as it is now decides.
        after = [tx.batch(one.ref) or one for one in tx.snapshot.batches]
        unsettled = [one for one in after if one.state in UNSETTLED and one.attempt and one.attempt.account in trusted]
        claimed = {one.id for one in after if one.id}
        settled = settle(unsettled, seen.values(), claimed)
        for intent in (one for one in after if one.state is State.UNCONFIRMED and one.attempt):
            found, several = settled.found.get(intent.ref), settled.several.get(intent.ref, ())
            unproven = {one.id for one in after if not one.certain or (one.attempt and one.failing_since)}
            several = several or tuple(
                one for one in seen.values() if one.id in unproven and why_not_it(intent, one) is None
            )
            tx.put(_decided(intent, found, several, listing, account, trusted, now))
        return settled, wrong

    settled, wrong = await disk.commit(write)
    _tell(running, seen, settled.found)
    return Looked(settled.several, wrong | waits)


async def _stopped_sender(snapshot: Snapshot, paths: Paths) -> dict[str, BatchtuiError]:
    """The error for each batch whose sender was stopped in the middle: nobody learns what becomes of it."""
    sending = [one.ref for one in snapshot.batches if one.state is State.SUBMITTING]
    if not sending:
        return {}
    error = await asyncio.to_thread(stuck, paths.submit_lock, "nobody learns what became of what it sends")
    return dict.fromkeys(sending, error) if error else {}


def accounts_of(snapshot: Snapshot, seen: dict[str, Remote], account: str) -> frozenset[str]:
    """The accounts for which this one's list speaks: itself, and those of which it shows a batch that we know.

    Another key of the same workspace shows the same batches; a key of another one shows none of ours. That counts for
    this look alone, and only ids that are certain count: a cache in between may have kept answers to another key.
    """
    proven = (one for one in snapshot.batches if one.id in seen and one.certain)
    shown = {one.account for one in proven if seen[str(one.id)].request_counts.total == one.requests}
    return frozenset({"", account} | shown)


def _watched(
    batch: Batch,
    remote: Remote | None,
    error: BatchtuiError | None,
    account: str,
    trusted: AbstractSet[str],
    now: datetime,
) -> tuple[Batch, BatchtuiError | None]:
    """A batch under way after a look, and what went wrong with that."""
    if remote:
        try:
            check_counts(batch, remote)
        except Unreachable as disbelieved:
            error = disbelieved
    if error is None and remote:
        seen = observe(batch, remote, confirms=batch.account in trusted)
        return replace(seen, account=batch.account or account, trouble=None), None
    assert error
    if batch.account not in trusted and isinstance(error, NotFound):
        return replace(batch, trouble=Trouble(_OTHER_KEY, _SET_THAT, now)), None
    return replace(batch, trouble=Trouble.of(error, now)), error


def _is_somebody_elses(batch: Batch, error: BatchtuiError, listing: Listing, snapshot: Snapshot) -> bool:
    """Whether an id that only one answer of the host has shown was never ours: the API does not know it, and lists
    another that could be it."""
    if batch.certain or not (isinstance(error, NotFound) and listing.complete):
        return False
    claimed = {one.id for one in snapshot.batches if one.id}
    return any(why_not_it(batch, one, claimed) is None for one in listing.batches.values())


async def orphaned(disk: StoreThread, paths: Paths, now: datetime) -> None:
    """Marks as unconfirmed what a process was sending when it died: the lock that it held is free."""
    if not any(batch.state is State.SUBMITTING for batch in (await disk.snapshot()).batches):
        return
    lock = Lock(paths.submit_lock)
    if not await disk.run(lock.try_acquire):
        return
    died = Trouble("The process that was sending it ended, or still waits for the API's answer.", _MAY_COME, now)

    def write(tx: Transaction) -> None:
        for batch in tx.snapshot.batches:
            if batch.state is State.SUBMITTING:
                log.warning("submit %s: its process is gone; looking for it in the API's list", batch.ref)
                tx.put(replace(batch, state=State.UNCONFIRMED, trouble=died))

    try:
        await disk.commit(write)
    finally:
        lock.release()


def _decided(
    batch: Batch,
    found: Remote | None,
    several: Sequence[Remote],
    listing: Listing,
    account: str,
    trusted: AbstractSet[str],
    now: datetime,
) -> Batch:
    """An unconfirmed batch after a look at the list."""
    assert batch.attempt
    if batch.attempt.account not in trusted:  # the list of another account proves nothing
        return replace(batch, trouble=Trouble(_OTHER, _SET_IT, now))
    if found:
        return replace(claim(batch, found), account=batch.attempt.account or account)
    if several:
        return replace(batch, trouble=Trouble(_SEVERAL.format(plural(len(several), "batch", "batches")), _WAIT, now))
    if not listing.complete:
        return replace(batch, trouble=Trouble(_NOT_WHOLE, _MAY_COME, now))
    seen = replace(batch, attempt=replace(batch.attempt, looked_at=listing.server_time))
    if given_up(seen, now, listing.server_time):
        hint = _DECIDE_RETRY if batch.retry_of else _DECIDE.format(batch.ref)
        return replace(seen, trouble=Trouble(_NOTHING, hint, now))
    return replace(seen, trouble=Trouble(_NOT_YET, _MAY_COME, now))


def _tell(running: Iterable[Batch], listed: dict[str, Remote], found: dict[str, Remote]) -> None:
    for batch in running:
        remote = listed.get(str(batch.id))
        if remote and remote.processing_status != batch.processing_status:
            log.info("%s", _state_of(batch, remote))
    for ref, remote in found.items():
        log.info("submit %s: %s %s", ref, _FOUND, remote.id)


def _state_of(batch: Batch, remote: Remote) -> str:
    """`msgbatch_1 (news) ended after 52m: 95 succeeded, 5 errored`."""
    label = f"{remote.id} ({inert_line(batch.name, 60)})"
    if remote.processing_status is not ProcessingStatus.ENDED:
        return f"{label} is {remote.processing_status}"
    took = f" after {duration(remote.ended_at - remote.created_at)}" if remote.ended_at else ""
    return f"{label} ended{took}: {remote.request_counts.words()}"
