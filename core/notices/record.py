"""Records what happened: into the journal, and then, as told, on the records of the state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from batchtui.core.batches.batch import Submission
from batchtui.core.batches.event import Event, Step, as_json
from batchtui.core.batches.events import Happened, holding, submission_with_marks, untold, with_marks
from batchtui.core.errors import OutputFailed
from batchtui.core.notices.journal import Journal
from batchtui.core.state.store import Transaction

MOST = 2000
"""How many events are recorded in one transaction, so that no other process waits for long."""

StepName = Callable[[Submission, int], str]
"""The name of a step of a submission, whose number counts from 1; empty if it is not known."""


def record(
    tx: Transaction,
    journal: Journal,
    now: datetime,
    only: Container[str],
    step_name: StepName,
    redact: Callable[[str], str],
) -> int:
    """Journals the first `MOST` events of the records in `only` that are not recorded yet, and marks them; returns how
    many. Raises OSError, and then marks nothing.

    The journal is written first: after a kill in between, the event is found again under the same id.
    """
    found = sorted(untold(tx.snapshot, now, only), key=lambda one: one.event.at)[:MOST]
    if not found:
        return 0
    journal.add([_told(one, tx, step_name, redact) for one in found], now)
    marks = defaultdict[str, list[str]](list)
    for one in found:
        marks[one.owner.ref].append(one.mark)
    held = defaultdict[str, list[str]](list)
    for one in holding(tx.snapshot, now, marks.keys()):
        held[one.owner.ref].append(one.mark)
    for ref, new in marks.items():
        if batch := tx.batch(ref):
            tx.put(with_marks(batch, new, held[ref]))
        elif submission := tx.submission(ref):
            tx.put_submission(submission_with_marks(submission, new, held[ref]))
    return len(found)


def _told(one: Happened, tx: Transaction, step_name: StepName, redact: Callable[[str], str]) -> dict[str, Any]:
    event = one.event
    if event.step and isinstance(one.owner, Submission):
        event = replace(event, step=Step(event.step.number, step_name(one.owner, event.step.number)))
    return safe_json(event, redact)


def safe_json(event: Event, redact: Callable[[str], str]) -> dict[str, Any]:
    """The JSON of an event without keys, and without what a user's own program printed, which may hold answers."""
    if event.code == OutputFailed.code:
        event = replace(event, hint=f"batchtui show {event.batch} says more.")
    fields = as_json(event)
    return {**fields, **{name: redact(fields[name]) for name in ("message", "hint", "name") if fields[name]}}
