"""What was spent: the estimate and the actual cost side by side, by batch, by name and by day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from batchtui.core.batches.batch import Batch, Part, State, Submission
from batchtui.core.text import aligned, ceiling, inert_line, likely, money, number

_NEVER_RAN = (State.REJECTED, State.SUBMITTING)


class Spent(Struct, frozen=True, kw_only=True):
    """US dollars over some batches. A sum covers what is known, and is None if nothing is.

    `unbilled` counts requests that ended without an answer and cost nothing, `pending` batches without results here,
    `unpriced` batches with results whose price is not known. `max_usd` is the most that it could cost when it was sent:
    it covers all, and is None if one has no such bound. `saved_usd` is `standard_usd` minus `actual_usd`.
    """

    what: str
    batches: int
    requests: int
    unbilled: int
    estimated_usd: float | None
    max_usd: float | None
    actual_usd: float | None
    standard_usd: float | None
    saved_usd: float | None
    pending: int
    unpriced: int


def committed(batches: Iterable[Batch], waiting: Iterable[Part] = (), before: float | None = 0.0) -> float | None:
    """What a limit counts, in US dollars: `before`, what was billed, and the most that all else can cost that is under
    way or waits. None if one of these is not known."""
    costs = [batch.cost for batch in batches if batch.state is not State.REJECTED]
    amounts = [one.max_usd if one.actual_usd is None else one.actual_usd for one in costs]
    amounts += [before, *(part.max_usd for part in waiting)]
    known = [one for one in amounts if one is not None]
    return sum(known) if len(known) == len(amounts) else None


def besides(submission: Submission) -> str:
    """What no batch here stands for, but the limit counts, in words; empty if there is nothing."""
    spent = money(submission.forgotten_usd) if submission.forgotten_usd else ""
    return spent and f"up to {spent} for answers that were lost, or batches that were forgotten"


def too_dear(submission: Submission, batches: Iterable[Batch]) -> float | None:
    """What a submission can cost with the parts that wait, if that is more than its limit: they may not be sent.

    A cost that is not known was so before the limit was set: versions before this one did not keep it.
    """
    if submission.max_cost is None or not submission.waiting:
        return None
    most = committed(batches, submission.waiting, submission.forgotten_usd)
    return None if most is None or most <= submission.max_cost else most


def by_batch(batches: Iterable[Batch]) -> list[Spent]:
    """One entry for each batch that may cost something, in the given order."""
    return [_sum(batch.label, [batch]) for batch in batches if batch.state not in _NEVER_RAN]


def by_name(batches: Iterable[Batch]) -> list[Spent]:
    """One entry for each name, in the order in which the names first appear."""
    return _grouped(batches, lambda batch: batch.name)


def by_day(batches: Iterable[Batch]) -> list[Spent]:
    """One entry for each day on which batches were created, in UTC as the API bills."""
    return _grouped(batches, lambda batch: f"{batch.began.astimezone(UTC):%Y-%m-%d}")


def total(batches: Iterable[Batch]) -> Spent:
    """The sum over all batches that may cost something."""
    return _sum("total", [batch for batch in batches if batch.state not in _NEVER_RAN])


def _grouped(batches: Iterable[Batch], key: Callable[[Batch], str]) -> list[Spent]:
    groups: dict[str, list[Batch]] = {}
    for batch in batches:
        if batch.state not in _NEVER_RAN:
            groups.setdefault(key(batch), []).append(batch)
    return [_sum(what, group) for what, group in groups.items()]


def _sum(what: str, batches: Sequence[Batch]) -> Spent:
    here = [batch for batch in batches if batch.state is State.RETRIEVED]
    priced = [batch.cost for batch in here if batch.cost.actual_usd is not None]
    return Spent(
        what=what,
        batches=len(batches),
        requests=sum(batch.requests for batch in batches),
        unbilled=sum(batch.request_counts.failed for batch in batches),
        estimated_usd=_known(batch.cost.estimated_usd for batch in batches),
        max_usd=_bound([batch.cost.max_usd for batch in batches]),
        actual_usd=_known(cost.actual_usd for cost in priced),
        standard_usd=_known((cost.actual_usd or 0) + (cost.saved_usd or 0) for cost in priced),
        saved_usd=_known(cost.saved_usd for cost in priced),
        pending=len(batches) - len(here),
        unpriced=len(here) - len(priced),
    )


def _known(amounts: Iterable[float | None]) -> float | None:
    found = [amount for amount in amounts if amount is not None]
    return sum(found) if found else None


def _bound(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known and len(known) == len(amounts) else None


def spending_json(batches: Sequence[Batch]) -> dict[str, Any]:
    """All four views, for scripts."""
    return {
        "by_batch": [asdict(one) for one in by_batch(batches)],
        "by_name": [asdict(one) for one in by_name(batches)],
        "by_day": [asdict(one) for one in by_day(batches)],
        "total": asdict(total(batches)),
    }


def spending_text(batches: Sequence[Batch], *, plain: bool = False) -> str:
    """The same as tables, each with the total below it. With `plain`, the signs of ours are ASCII."""
    names = {batch.label: batch.name for batch in batches}
    each = by_batch(batches)
    last = total(batches)
    tables = [
        _table("BATCH", [(f"{inert_line(names[one.what], 40)}  {one.what}", one) for one in each], last, plain),
        _table("NAME", [(inert_line(one.what, 40) or "–", one) for one in by_name(batches)], last, plain),
        _table("DAY (UTC)", [(one.what, one) for one in by_day(batches)], last, plain),
    ]
    return "\n\n".join(tables)


def _table(what: str, rows: Sequence[tuple[str, Spent]], last: Spent, plain: bool) -> str:
    heads = (what, "REQUESTS", "NOT BILLED", "ESTIMATE", "MOST", "ACTUAL", "STANDARD", "SAVED", "")
    cells = [_cells(label, one, plain) for label, one in [*rows, ("total", last)]]
    return aligned([heads, *cells], right={1, 2, 3, 4, 5, 6, 7})


def _cells(label: str, one: Spent, plain: bool) -> tuple[str, ...]:
    missing = [f"{one.pending} pending" if one.pending else "", f"{one.unpriced} unpriced" if one.unpriced else ""]
    return (
        label,
        number(one.requests),
        number(one.unbilled) if one.unbilled else "",
        likely(one.estimated_usd),
        ceiling(one.max_usd, plain=plain),
        money(one.actual_usd),
        money(one.standard_usd),
        money(one.saved_usd),
        ", ".join(part for part in missing if part),
    )
