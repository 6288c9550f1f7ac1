"""What was spent, by batch, by name and by day. Sums cover what is known, and what is not known is never zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Cost, Part, State, Submission
from batchtui.core.batches.remote import Counts
from batchtui.core.batches.spending import (
    by_batch,
    by_day,
    by_name,
    committed,
    spending,
    spending_text,
    too_dear,
    total,
)

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def batch(ref: str, name: str = "n", at: datetime = AT, state: State = State.RETRIEVED, **more: Any) -> Batch:
    return Batch(
        ref=ref,
        id=f"msgbatch_{ref}",
        name=name,
        submission="s",
        submitted_at=at,
        created_at=at,
        state=state,
        **{"requests": 10, **more},
    )


BATCHES = (
    batch("a", "one", cost=Cost(3.0, 2.0, 2.0), request_counts=Counts(succeeded=7, errored=1, canceled=1, expired=1)),
    batch("b", "two", AT + timedelta(days=1), cost=Cost(1.0, 0.5, 0.25)),
    batch("c", "one", AT + timedelta(days=1), State.IN_PROGRESS, cost=Cost(4.0)),
    batch("d", "two", AT + timedelta(days=1), cost=Cost(None, None)),
    batch("e", "never", AT, State.REJECTED, cost=Cost(9.0)),
)


def test_estimate_actual_standard_and_saved_stand_side_by_side() -> None:
    one = by_batch(BATCHES)[0]
    assert (one.what, one.estimated_usd, one.actual_usd, one.standard_usd, one.saved_usd) == (
        "msgbatch_a",
        3.0,
        2.0,
        4.0,
        2.0,
    )
    assert (one.requests, one.unbilled, one.pending, one.unpriced) == (10, 3, 0, 0)


def test_what_is_pending_or_has_no_price_is_counted_and_never_zero() -> None:
    _, _, running, unpriced = by_batch(BATCHES)
    assert (running.estimated_usd, running.actual_usd, running.saved_usd, running.pending) == (4.0, None, None, 1)
    assert (unpriced.actual_usd, unpriced.standard_usd, unpriced.unpriced) == (None, None, 1)


def test_a_refused_batch_costs_nothing_and_is_left_out() -> None:
    assert [one.what for one in by_batch(BATCHES)] == ["msgbatch_a", "msgbatch_b", "msgbatch_c", "msgbatch_d"]
    assert total(BATCHES).batches == 4


def test_names_and_days_are_summed() -> None:
    names = {one.what: one for one in by_name(BATCHES)}
    assert (names["one"].batches, names["one"].estimated_usd, names["one"].actual_usd) == (2, 7.0, 2.0)
    assert (names["two"].actual_usd, names["two"].unpriced) == (0.5, 1)
    assert [(one.what, one.batches) for one in by_day(BATCHES)] == [("2026-11-20", 1), ("2026-11-21", 3)]
    assert (total(BATCHES).actual_usd, total(BATCHES).saved_usd) == (2.5, 2.25)


def test_a_day_is_one_of_utc_wherever_one_is() -> None:
    late = datetime(2026, 11, 20, 22, tzinfo=timezone(timedelta(hours=-5)))
    assert [one.what for one in by_day([batch("a", at=late)])] == ["2026-11-21"]


def test_the_json_holds_every_view() -> None:
    said = msgspec.to_builtins(spending(BATCHES))
    assert said.keys() == {"by_batch", "by_name", "by_day", "total"}
    assert said["total"]["actual_usd"] == 2.5


def test_the_text_shows_all_of_it_and_names_are_inert() -> None:
    said = spending_text([*BATCHES, batch("f", "\x1b[31mevil")])
    assert "\x1b" not in said
    tables = said.split("\n\n")
    assert [table.split()[0] for table in tables] == ["BATCH", "NAME", "DAY"]
    assert all(table.splitlines()[-1].startswith("total") for table in tables)
    line = next(line for line in tables[0].splitlines() if "msgbatch_a" in line)
    assert line.split()[-6:] == ["3", "~$3.00", "–", "$2.00", "$4.00", "$2.00"]
    assert "1 pending" in tables[1]
    assert "2 unpriced" in tables[1]


@pytest.mark.parametrize("batches", [(), (BATCHES[4],)])
def test_nothing_spent_is_no_sum(batches: tuple[Batch, ...]) -> None:
    assert total(batches).actual_usd is None
    assert spending_text(batches)


def part(ref: str, most: float | None) -> Part:
    return Part(ref=ref, requests=10, bytes=1, digest="", max_usd=most)


def test_a_limit_counts_what_was_billed_and_the_most_of_all_else_that_is_under_way_or_waits() -> None:
    billed = batch("a", cost=Cost(9.0, 2.0, 2.0, 20.0))
    running = batch("b", state=State.IN_PROGRESS, cost=Cost(1.0, max_usd=3.0))
    refused = batch("c", state=State.REJECTED, cost=Cost(1.0, max_usd=99.0))
    assert committed([billed, running, refused]) == 5.0
    assert committed([billed, running], [part("d", 4.0)], 1.0) == 10.0
    assert committed([]) == 0.0


def test_what_a_limit_counts_is_not_known_if_one_of_its_amounts_is_not() -> None:
    """A likely price is no bound: what is under way may still cost more."""
    running = batch("b", state=State.IN_PROGRESS, cost=Cost(1.0))
    assert committed([running]) is None
    assert committed([], [part("d", None)]) is None
    assert committed([], before=None) is None


def test_parts_that_wait_are_held_against_the_limit_of_today() -> None:
    running = batch("b", state=State.IN_PROGRESS, cost=Cost(1.0, max_usd=3.0))
    waiting = Submission(ref="s", name="n", created_at=AT, requests=20, waiting=(part("d", 4.0),), max_cost=7.0)
    assert too_dear(waiting, [running]) is None
    assert too_dear(replace(waiting, max_cost=6.9), [running]) == 7.0
    assert too_dear(replace(waiting, max_cost=None), [running]) is None
    assert too_dear(replace(waiting, max_cost=1.0, waiting=()), [running]) is None
