"""Everything known about one batch, as labels and words. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from batchtui.core.batches.batch import UNDER_WAY, Batch, State, age, retention_left
from batchtui.core.batches.deadline_text import in_words, of_batch
from batchtui.core.batches.expiry import about_to_go
from batchtui.core.batches.outcomes import WORDS, Outcome
from batchtui.core.batches.progress import Counted, progress
from batchtui.core.batches.remote import Counts
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.text import ago, duration, inert, inert_line, likely_and_most, money, number, plural
from batchtui.widgets.batch_cells import time_left
from batchtui.widgets.glyphs import look
from batchtui.widgets.segments import Segment

Fact = tuple[str, Segment]
"""A label, and a value with its tone. An empty label continues the fact above."""

MEANING = {
    State.SUBMITTING: "It is being sent to the API.",
    State.UNCONFIRMED: "It was sent, but no clear answer came back. It is never resent blindly: the API's own list "
    "of batches will show whether it was accepted.",
    State.REJECTED: "The API did not accept it. Nothing runs, and nothing is billed.",
    State.IN_PROGRESS: "The API is working on it. Nothing here has to stay open.",
    State.CANCELING: "Cancellation was requested. Requests under way may still finish and are billed.",
    State.ENDED: "The API is done. The results are not on this machine yet.",
    State.RETRIEVED: "The results are on this machine, checked and complete.",
    State.GONE: "The API keeps results for 29 days, and these were not retrieved in time.",
}
"""What each state means for the user."""

_LOST = "The API's copy was deleted before its results were here."

_OVERDUE = "Its deadline is over. It is canceled, and what has no answer when it has ended is sent at once."

_TONES = {Outcome.CUT: "warn", Outcome.PAUSED: "warn", Outcome.CANCELED: "warn", Outcome.EXPIRED: "warn"}

_APART = timedelta(minutes=1)
"""If sending and creation by the API are at least this far apart, both times are shown."""


def known(batch: Batch, now: datetime, usual: timedelta | None, plain: bool = False) -> Iterator[Fact]:
    """The facts, most important first. Times are in the time zone of `now`."""
    state = look(batch, ascii=plain)
    yield "state", (f"{state.glyph} {state.word}", state.tone)
    if not (batch.trouble and batch.state in UNDER_WAY):  # with trouble, this may no longer be true
        lost = batch.state is State.GONE and batch.remote_deleted_at
        yield "", (_OVERDUE if batch.overdue else _LOST if lost else MEANING[batch.state], "dim")
    if batch.trouble:
        yield "trouble", (inert(batch.trouble.message), "bad")
        if batch.trouble.hint:
            yield "", (inert(batch.trouble.hint), "")
        yield "", (_moment(batch.trouble.at, now), "dim")
    yield "name", (inert_line(batch.name), "strong")
    yield "id", (inert_line(batch.id) if batch.id else _no_id(batch), "" if batch.id else "dim")
    yield "ref", (inert_line(batch.ref), "dim")
    if batch.doubtful:
        yield "", ("Found only by its time and count: the ids in its results will decide.", "warn")
    yield from _counted(batch, now, usual)
    yield from _times(batch, now, usual)
    if batch.models:
        yield "models", (inert_line(", ".join(batch.models)), "")
    yield from _money(batch, plain)
    if batch.results_path:
        yield "results", (inert(batch.results_path), "")
    for output in batch.outputs:
        rows = f", {plural(output.rows, 'row')}" if output.rows is not None else ""
        done = f"written {_moment(output.done_at, now)}{rows}" if output.done_at else "not written yet"
        yield "output", (f"{inert_line(output.kind)}: {inert(output.path)}", "")
        yield "", (done, "dim")
    yield from _verbs(batch)


def _counted(batch: Batch, now: datetime, usual: timedelta | None) -> Iterator[Fact]:
    counts: Counts = batch.request_counts
    yield "requests", (number(batch.requests), "")
    if batch.outcomes:
        yield "", (f"{number(batch.outcomes.answered)} answered", "good")
        for cause, count in batch.outcomes.causes():
            yield "", (f"{number(count)} {WORDS[cause]}", _TONES.get(cause, "bad"))
    elif isinstance(progress(batch, now, usual), Counted) and counts.total:
        for name, tone in (("succeeded", "good"), ("errored", "bad"), ("canceled", "warn"), ("expired", "warn")):
            value: int = getattr(counts, name)
            if value or name == "succeeded":
                yield "", (f"{number(value)} {name}", tone)
        if counts.processing:
            yield "", (f"{number(counts.processing)} processing", "moving")
    elif batch.state in UNDER_WAY:
        yield "", ("The API gives the counts once the whole batch has ended.", "dim")


def _times(batch: Batch, now: datetime, usual: timedelta | None) -> Iterator[Fact]:
    if batch.created_at is None or abs(batch.created_at - batch.submitted_at) >= _APART:
        yield "sent", (_moment(batch.submitted_at, now), "")
    if batch.created_at:
        yield "created", (_moment(batch.created_at, now), "")
    if batch.cancel_initiated_at:
        yield "canceled", (_moment(batch.cancel_initiated_at, now), "")
    if batch.ended_at:
        yield "ended", (_moment(batch.ended_at, now), "")
        yield "took", (duration(age(batch, now)), "")
    if batch.state in UNDER_WAY:
        yield "running", (duration(age(batch, now)), "moving")
        yield "usually", (duration(usual) if usual else "no similar batch has ended here yet", "" if usual else "dim")
        left = time_left(batch, now)
        if left is not None:
            yield "limit", (f"requests not run within {duration(max(left, timedelta()))} expire", "")
    if batch.deadline:
        there = f"{batch.deadline.astimezone(now.tzinfo):%Y-%m-%d %H:%M %Z}"
        yield "deadline", (f"{in_words(batch.deadline, now)}, {there}", "warn" if of_batch(batch, now) else "dim")
    kept, going = retention_left(batch, now), about_to_go(batch, now)
    if batch.remote_deleted_at:
        yield "kept", ("no longer by the API: its copy was deleted", "")
        yield "", (_moment(batch.remote_deleted_at, now), "dim")
    elif going:
        yield "kept", (f"by the API for {duration(going)}, and not here: retrieve it", "warn")
    elif kept is not None and batch.state in (State.ENDED, State.RETRIEVED):
        yield "kept", (f"by the API for {duration(kept)}" if kept > timedelta() else "no longer by the API", "")
    if batch.retrieved_at:
        yield "retrieved", (_moment(batch.retrieved_at, now), "")


def _money(batch: Batch, plain: bool) -> Iterator[Fact]:
    cost = batch.cost
    if cost.actual_usd is not None:
        yield "cost", (money(cost.actual_usd), "")
        if cost.saved_usd is not None:
            yield "", (f"{money(cost.saved_usd)} less than at the standard price", "dim")
    if cost.estimated_usd is not None:
        said = likely_and_most(cost.estimated_usd, cost.max_usd, plain=plain)
        yield "estimate", (said, "dim" if cost.actual_usd is not None else "")


def _verbs(batch: Batch) -> Iterator[Fact]:
    can = ", ".join(verb.value for verb in Verb if verb is not Verb.OPEN and why_not(verb, batch) is None)
    yield "can", (can or "nothing now", "" if can else "dim")


def _moment(at: datetime, now: datetime) -> str:
    there = at.astimezone(now.tzinfo)
    day = "" if there.date() == now.date() else f"{there:%Y-%m-%d} "
    return f"{day}{there:%H:%M %Z}, {ago(now - at)}"


def _no_id(batch: Batch) -> str:
    if batch.is_whole:
        return "several batches"
    return "none, sent without a batch" if batch.state is State.RETRIEVED else "not known yet"
