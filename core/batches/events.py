"""What happened to batches and submissions, as events that people and programs can be told of. Pure.

An event holds as long as the state shows it. Its id comes from what it is about and from its cause alone, so whoever
finds it, however often, calls it the same. `told` of the record has the marks of the events that are recorded already.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Container, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec.structs import replace

from batchtui.core.batches.batch import RETENTION, UNDER_WAY, Batch, Output, Snapshot, State, Submission, Trouble
from batchtui.core.batches.event import Event, Place, Step
from batchtui.core.batches.expiry import WARNED, about_to_go, warning
from batchtui.core.batches.output_records import trouble_of
from batchtui.core.batches.progress import slow
from batchtui.core.errors import Busy, OverLimit, RowsUnmatched, Unreachable
from batchtui.core.event_names import EventName

PATIENCE = timedelta(minutes=10)
"""How long a download must fail for a passing reason, such as a broken connection, before that is an event."""

_PASSING = (Unreachable.code, Busy.code)
_NUMBERED = re.compile(r"\S*\d\S*")
_MOST_TROUBLES = 16


class Happened(NamedTuple):
    """An event that holds, the record that it is about, and the mark that this record gets once it is recorded."""

    owner: Batch | Submission
    mark: str
    event: Event

    @property
    def told(self) -> bool:
        return self.mark in self.owner.told


class _Found(NamedTuple):
    """What makes an event: built only if it is needed, since a state may have tens of thousands."""

    event: EventName
    cause: str
    at: datetime
    more: dict[str, Any]


def holding(snapshot: Snapshot, now: datetime, only: Container[str] | None = None) -> list[Happened]:
    """Every event that holds, told or not, of the records whose refs are in `only`, or of all. Those of submissions
    come last."""
    return list(_holding(snapshot, now, only))


def untold(snapshot: Snapshot, now: datetime, only: Container[str] | None = None) -> list[Happened]:
    """The same, without what is told."""
    return list(_holding(snapshot, now, only, untold=True))


def changed(before: Snapshot, after: Snapshot) -> set[str]:
    """The refs of the batches that are not the same objects as in `before`, and of their submissions and the changed
    ones: only there can anything be new, but for what comes with time alone."""
    if before is after:
        return set()
    old = {one.ref: one for one in before.batches}
    refs = {ref for ref, one in after.submissions.items() if before.submissions.get(ref) is not one}
    for one in after.batches:
        if old.get(one.ref) is not one:
            refs |= {one.ref, one.submission}
    return refs


def moving(snapshot: Snapshot) -> set[str]:
    """The refs of the batches for which time alone makes events."""
    return {one.ref for one in snapshot.batches if one.state is State.ENDED or one.state in UNDER_WAY}


def with_marks(owner: Batch, marks: Iterable[str], held: Iterable[str]) -> Batch:
    """The batch with these events marked as told. Of those that can come again and again, only so many marks are kept:
    the newest troubles, and what is still `held`."""
    return replace(owner, told=_marks(owner.told, marks, held))


def submission_with_marks(owner: Submission, marks: Iterable[str], held: Iterable[str]) -> Submission:
    """The same for a submission."""
    return replace(owner, told=_marks(owner.told, marks, held))


def _marks(told: tuple[str, ...], marks: Iterable[str], held: Iterable[str]) -> tuple[str, ...]:
    every, still = tuple(dict.fromkeys((*told, *marks))), frozenset(held)
    troubles = [one for one in every if one.startswith((f"{EventName.TROUBLE}-", f"{EventName.OVER_BUDGET}-"))]
    dropped = {one for one in troubles[:-_MOST_TROUBLES] if one not in still}
    dropped |= {one for one in every if one.startswith(f"{EventName.OUTPUT}-") and one not in still}
    return tuple(one for one in every if one not in dropped)


def _holding(
    snapshot: Snapshot, now: datetime, only: Container[str] | None = None, *, untold: bool = False
) -> Iterator[Happened]:
    """The events of the batches and submissions whose refs are in `only`, or of all."""
    pace: dict[object, timedelta | None] = {}
    past: dict[object, list[Batch]] = {}

    def slow_for(batch: Batch) -> timedelta | None:
        key = (batch.models, batch.requests)
        if key not in pace:
            if not past:
                for one in snapshot.batches:
                    past.setdefault(one.models if one.ended_at else None, []).append(one)
            pace[key] = slow(past.get(batch.models, ()), batch)
        return pace[key]

    written: dict[str, list[Output]] = {}
    for batch in snapshot.batches:
        if batch.outputs:
            written.setdefault(batch.submission, []).extend(batch.outputs)
        if only is not None and batch.ref not in only:
            continue
        submission = snapshot.submissions.get(batch.submission)
        late_after = slow_for(batch) if batch.state is State.IN_PROGRESS else None
        for found in _of_batch(batch, submission, late_after, now):
            mark = f"{found.event}-{found.cause}"
            if not (untold and mark in batch.told):
                yield Happened(batch, mark, _event(batch.ref, mark, found, batch))
    known: dict[str, Batch] = {}
    for ref, submission in snapshot.submissions.items():
        outputs = (*written.get(ref, ()), *submission.outputs)
        if not (outputs or submission.step or submission.trouble) or (only is not None and ref not in only):
            continue
        known = known or {one.ref: one for one in snapshot.batches}
        ours = [known[one] for one in submission.batches if one in known]
        for found in _of_submission(submission, outputs, ours, now):
            mark = f"{found.event}-{found.cause}"
            if ours and not (untold and mark in submission.told):
                yield Happened(submission, mark, _event(ref, mark, found, ours[-1]))


def _event(owner: str, mark: str, found: _Found, batch: Batch) -> Event:
    return Event(
        id=f"{owner}-{mark}",
        at=found.at,
        event=found.event,
        batch=batch.label,
        ref=batch.ref,
        submission=batch.submission,
        name=batch.name,
        state=batch.state,
        requests=batch.requests,
        request_counts=batch.request_counts,
        outcomes=batch.outcomes,
        **found.more,
    )


def _of_batch(batch: Batch, whole: Submission | None, slow: timedelta | None, now: datetime) -> Iterator[_Found]:
    which = _short(batch.id or "")
    if batch.id and not (whole and whole.adopted):
        yield _Found(EventName.SUBMITTED, which, batch.began, {})
    if batch.state is State.UNCONFIRMED:
        refused = len(batch.attempt.refused) if batch.attempt else 0
        yield _Found(EventName.UNCONFIRMED, str(refused), batch.submitted_at, _said(batch.trouble))
    if batch.id and batch.ended_at:
        yield _Found(EventName.ENDED, which, batch.ended_at, {})
    if batch.state is State.RETRIEVED and batch.retrieved_at:
        yield _Found(EventName.RETRIEVED, which, batch.retrieved_at, {"results_path": batch.results_path})
    trouble = batch.trouble
    if trouble and not _passes(batch, trouble) and not (whole and _same(whole.trouble, trouble)):
        yield _Found(EventName.TROUBLE, _cause(trouble), trouble.at, _said(trouble))
    if slow is not None and (age := now - batch.began) > slow:
        figures = {"age_seconds": age.total_seconds(), "slow_seconds": slow.total_seconds()}
        yield _Found(EventName.LATE, which, batch.began + slow, figures)
    if batch.created_at and about_to_go(batch, now):
        gone_at = batch.created_at + RETENTION
        more = {"gone_at": gone_at, "message": warning(batch, now)}
        yield _Found(EventName.EXPIRING, which, gone_at - WARNED, more)
    if batch.remote_deleted_at:
        yield _Found(EventName.DELETED, which, batch.remote_deleted_at, {})


def _of_submission(
    submission: Submission, outputs: Iterable[Output], ours: list[Batch], now: datetime
) -> Iterator[_Found]:
    done = {(one.kind, one.path, str(one.options), one.done_at): one for one in outputs}
    for output in done.values():
        if output.done_at:
            cause = _short(output.kind, output.path, str(output.options), output.done_at.isoformat())
            place = Place(output.kind, output.path, output.rows)
            yield _Found(EventName.OUTPUT, cause, output.done_at, {"output": place})
    for number in range(1, submission.step + 1):
        yield _Found(EventName.STEP, str(number + 1), now, {"step": Step(number + 1)})
    trouble = submission.trouble
    if trouble is None and ours:
        trouble = trouble_of(done.values(), ours[-1].label)
    if trouble is None or submission.urgent or trouble.code in _PASSING:  # a person watches; or a later look sends it
        return
    if trouble.code == OverLimit.code:
        cause = _short(str(submission.max_cost), str(submission.step))
        yield _Found(EventName.OVER_BUDGET, cause, trouble.at, {**_said(trouble), "max_usd": submission.max_cost})
    else:
        yield _Found(EventName.TROUBLE, _cause(trouble), trouble.at, _said(trouble))


def _passes(batch: Batch, trouble: Trouble) -> bool:
    """Whether it is likely to pass by itself: a download that has not failed for long."""
    since = batch.failing_since
    return since is not None and trouble.code in _PASSING and trouble.at - since < PATIENCE


def _same(one: Trouble | None, other: Trouble) -> bool:
    return one is not None and (one.code, one.message) == (other.code, other.message)


def _said(trouble: Trouble | None) -> dict[str, Any]:
    return {"code": trouble.code, "message": trouble.message, "hint": trouble.hint} if trouble else {}


def _cause(trouble: Trouble) -> str:
    """Tells one trouble from another, but not by figures, which may change with each look."""
    words = trouble.message if trouble.code == RowsUnmatched.code else _NUMBERED.sub("#", trouble.message)
    return _short(trouble.code, words)


def _short(*words: str) -> str:
    return f"{zlib.crc32(chr(0).join(words).encode(errors='surrogatepass')):08x}"
