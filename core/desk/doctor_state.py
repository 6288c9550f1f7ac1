"""Checks the state and what follows from it: results about to go, the last look, and what waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from batchtui.core import errors
from batchtui.core.batches.batch import UNDER_WAY, Batch, Snapshot, State, retention_left
from batchtui.core.batches.expiry import WARNED
from batchtui.core.batches.standing import standing
from batchtui.core.desk.doctor_check import Check, Trouble, failed, not_asked, summed, well, wrong
from batchtui.core.errors import StateError
from batchtui.core.files import is_there
from batchtui.core.paths import Paths
from batchtui.core.results.retrieve import where
from batchtui.core.state.poller import Poller
from batchtui.core.state.store import Meta, Store
from batchtui.core.text import ago, duration, inert_line, plural, size

STATE, EXPIRING, LOOK, WAITING = "state", "expiring", "look", "waiting"

UNSEEN = timedelta(hours=1)
"""How long batches may be under way without a look: cron jobs and timers look more often."""

_OVERDUE = timedelta(minutes=5)
_NAMED = 3


class _Head(Struct):
    meta: dict[str, Meta]


def read(paths: Paths) -> tuple[Check, Snapshot | None]:
    """Whether the state can be read, and what is in it; the snapshot is None if not."""
    try:
        snapshot = Store(paths).snapshot()
    except StateError as error:
        return failed(STATE, error), None
    try:
        data = paths.state.read_bytes()
        head = next(iter(msgspec.json.decode(data, type=_Head).meta.values()))
    except FileNotFoundError:
        return _none(paths), snapshot
    except (OSError, ValueError, StopIteration):
        return well(STATE, "It is being replaced at this moment, and can be read."), snapshot
    batches = plural(len(snapshot.batches), "batch", "batches")
    submissions = plural(len(snapshot.submissions), "submission")
    numbers = f"revision {snapshot.revision}, schema {head.schema}"
    return well(STATE, f"{batches} of {submissions}, {size(len(data))}, {numbers}."), snapshot


def _none(paths: Paths) -> Check:
    """There is no state: nothing was submitted, or it is no longer where it was."""
    archived = len([one for one in paths.requests.glob("*.jsonl") if not one.name.endswith(".keys.jsonl")])
    if not archived:
        return well(STATE, "None yet: nothing was submitted.")
    said = f"{paths.state} is gone, but {paths.requests} holds the rows of {plural(archived, 'batch', 'batches')}."
    hint = "Put it back. If it is lost: batchtui list --remote shows what the API has, and batchtui retrieve ID takes "
    return wrong(STATE, said, f"{hint}it up.")


def expiring(snapshot: Snapshot, now: datetime, here: Callable[[Batch], bool]) -> Check:
    """Results that go within `WARNED` and are not `here`."""
    going = []
    for batch in snapshot.batches:
        left = retention_left(batch, now) if batch.id and not batch.remote_deleted_at else None
        if batch.state is not State.GONE and left and timedelta() < left <= WARNED and not here(batch):
            going.append((left, batch))
    if not going:
        return well(EXPIRING, f"No results go within {WARNED.days} days.")
    going.sort(key=lambda one: one[0])
    labels = " ".join(batch.label for _, batch in going[:_NAMED])
    whose = plural(len(going), "batch", "batches")
    said = f"The results of {whose} go soon and are not here, the first in {duration(going[0][0])}."
    return wrong(EXPIRING, said, f"batchtui retrieve {labels}")


def results_here(paths: Paths) -> Callable[[Batch], bool]:
    """Whether the results of a batch are on this disk."""

    def here(batch: Batch) -> bool:
        try:
            return batch.state is State.RETRIEVED and is_there(where(paths, batch))
        except StateError:
            return False

    return here


def look(snapshot: Snapshot, poller: Poller | None, last: datetime | None, now: datetime, *, retrieves: bool) -> Check:
    """When a process last looked at the batches with success. `retrieves`: whether looking also retrieves."""
    states = UNDER_WAY | {State.UNCONFIRMED} | ({State.ENDED} if retrieves else set())
    pending = [one for one in snapshot.batches if one.state in states]
    times = [one for one in (last, poller.looked_at if poller else None) if one]
    seen = max(times) if times else None
    when = f"The last look was {_ago(now, seen)}" if seen else "No look so far"
    who = f"{poller.words()} polls" if poller else "nobody polls now"
    if not pending:
        return not_asked(LOOK, f"Nothing is under way. {when}.")
    if poller and poller.failing:
        said = f"{poller.words()} polls, but its last look failed: {inert_line(poller.failing)} {when}."
        return wrong(LOOK, said, "See key and connection. It tries again on its own.")
    since = min(one.submitted_at for one in pending)  # a poller with nothing to do does not look
    unseen = now - max(since, seen or since)
    if (poller and poller.overdue(now) < _OVERDUE) or unseen < UNSEEN:
        return well(LOOK, f"{when}; {who}.")
    under = plural(len(pending), "batch is", "batches are")
    said = f"{when}; {who}, but {under} under way."
    if poller:
        return wrong(LOOK, f"{said} The next look is {duration(poller.overdue(now))} late.", "See locks.")
    return wrong(LOOK, said, "batchtui --once looks now; batchtui monitor, or batchtui service install, keeps looking.")


def _ago(now: datetime, at: datetime) -> str:
    return ago(max(now - at, timedelta()))


def waiting(snapshot: Snapshot) -> Check:
    """What a person must decide or mend: sends whose outcome is not known, outputs that failed, jobs that are held."""
    labels = {one.ref: one.label for one in snapshot.batches}
    open_ends = [one for one in snapshot.batches if one.state is State.UNCONFIRMED]
    troubles = [
        Trouble(f"{one.ref} is unconfirmed.", one.trouble.hint if one.trouble else "", errors.NEEDS_PERSON)
        for one in open_ends
    ]
    for failure in standing(snapshot):
        about = f"{labels.get(failure.batch or '', failure.batch)}: {failure.message}"
        troubles.append(Trouble(about, failure.hint, failure.error.exit_code))
    return summed(WAITING, troubles, "Nothing waits for you.")
