"""Turns a batch into the cells of a row, and sorts batches by a column. Pure functions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from batchtui.core.batches.batch import TIME_LIMIT, UNDER_WAY, Batch, State, age, retention_left
from batchtui.core.batches.deadline_text import of_batch
from batchtui.core.batches.expiry import about_to_go
from batchtui.core.batches.progress import progress
from batchtui.core.text import duration, inert_line, money, number
from batchtui.widgets.bar import bar
from batchtui.widgets.columns import Column
from batchtui.widgets.glyphs import look, word
from batchtui.widgets.segments import Segment
from batchtui.widgets.status_line import needs_you

COLUMNS = (
    Column("state", "state", 13),
    Column("name", "name", 16, flex=True, least=8, most=60),
    Column("progress", "progress", 14, flex=True, least=6, most=24),
    Column("requests", "requests", 8, keep=2, align="right"),
    Column("errors", "failed", 7, keep=1, align="right"),
    Column("age", "age", 7, keep=1, align="right"),
    Column("took", "took", 7, keep=5, align="right"),
    Column("expires", "expires", 7, keep=3, align="right"),
    Column("cost", "cost", 9, keep=4, align="right"),
    Column("id", "id", 33, keep=6),
)
"""The columns. `failed` counts every request that ended without an answer; `age` is since sending, ended or not."""

_SOON = timedelta(hours=1)


def time_left(batch: Batch, now: datetime) -> timedelta | None:
    """Time until unfinished requests expire while the batch runs; later, until the API drops its results."""
    if (going := about_to_go(batch, now)) is not None:
        return going
    if batch.state in UNDER_WAY:
        began = batch.began
        return (batch.expires_at or began + TIME_LIMIT) - now
    if batch.state in (State.ENDED, State.RETRIEVED) and not batch.remote_deleted_at:
        return retention_left(batch, now)
    return None


def _since(batch: Batch, now: datetime) -> timedelta:
    """How long ago the batch was sent."""
    return max(now - batch.began, timedelta())


def cells(
    batch: Batch, now: datetime, usual: timedelta | None, bar_width: int, plain: bool = False
) -> dict[str, tuple[Segment, ...]]:
    """The cells of a batch's row, by column key; `plain` draws with ASCII only."""
    state = look(batch, ascii=plain)
    name = inert_line(batch.name) or inert_line(batch.label)
    failed = batch.unanswered
    by = of_batch(batch, now)
    due: tuple[Segment, ...] = ((f" · {by}" if not plain else f" - {by}", "dim"),) if by else ()
    none: Segment = ("-" if plain else "–", "dim")
    return {
        "state": ((state.glyph, state.tone), (f" {state.word}", state.tone)),
        "name": (("! ", "warn"), (name, "strong"), *due) if needs_you(batch, now) else ((name, ""), *due),
        "progress": bar(progress(batch, now, usual), bar_width, plain, failed),
        "requests": ((number(batch.requests), ""),),
        "errors": ((number(failed), "bad") if failed else none,),
        "age": ((duration(_since(batch, now)), ""),),
        "took": ((duration(age(batch, now)), "") if batch.ended_at else none,),
        "expires": (_expires(batch, now, none),),
        "cost": (_cost(batch, none),),
        "id": ((inert_line(batch.id or ""), "dim"),),
    }


def _expires(batch: Batch, now: datetime, none: Segment) -> Segment:
    left = time_left(batch, now)
    if left is None:
        return none
    if batch.deadline and now < batch.deadline and of_batch(batch, now):  # what has not ended by then is canceled
        left = min(left, batch.deadline - now)
    if left <= timedelta():
        return "over", "dim" if batch.state is State.RETRIEVED else "warn"
    if batch.state is State.RETRIEVED:
        return duration(left), "dim"
    soon = left < _SOON if batch.state in UNDER_WAY else False
    return duration(left), "warn" if soon or about_to_go(batch, now) else ""


def _cost(batch: Batch, none: Segment) -> Segment:
    if batch.cost.actual_usd is not None:
        return _short(batch.cost.actual_usd), ""
    if batch.cost.estimated_usd is not None:
        return f"~{_short(batch.cost.estimated_usd)}", "dim"
    return none


def _short(usd: float) -> str:
    """An amount that always fits: in whole dollars from 1,000 up."""
    return money(usd) if usd < 1000 else f"${usd:,.0f}"


def haystack(batch: Batch) -> str:
    """The text that a filter searches at any time, in lower case: name, id, state, models."""
    return "\n".join((batch.name, batch.label, word(batch.state), *batch.models)).casefold()


def order(column: str, now: datetime) -> Callable[[Batch], Any]:
    """The sort key of a column; it gives None if a batch has no value."""
    states = list(State)

    def share(batch: Batch) -> float:
        counts = batch.request_counts
        return counts.done / counts.total if counts.total else -1.0

    keys: dict[str, Callable[[Batch], Any]] = {
        "state": lambda batch: states.index(batch.state),
        "name": lambda batch: batch.name.casefold(),
        "progress": share,
        "requests": lambda batch: batch.requests,
        "errors": lambda batch: batch.unanswered,
        "age": lambda batch: _since(batch, now),
        "took": lambda batch: age(batch, now) if batch.ended_at else None,
        "expires": lambda batch: time_left(batch, now),
        "cost": lambda batch: batch.cost.actual_usd if batch.cost.actual_usd is not None else batch.cost.estimated_usd,
        "id": lambda batch: batch.id,
    }
    return keys[column]


def in_order(batches: list[Batch], column: str, now: datetime, *, reverse: bool) -> list[Batch]:
    """Sorts by a column: batches without a value come last, equal ones keep their order."""
    key = order(column, now)
    valued = [(key(batch), batch) for batch in batches]
    known = sorted((pair for pair in valued if pair[0] is not None), key=lambda pair: pair[0], reverse=reverse)
    return [batch for _, batch in known] + [batch for value, batch in valued if value is None]
