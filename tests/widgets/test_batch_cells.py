"""The cells of a row say what the user needs to know, and each number means one thing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from batchtui.core.batches.batch import Batch, Cost, State, Trouble
from batchtui.widgets.batch_cells import cells, in_order

Make = Callable[..., Batch]


def text(batch: Batch, column: str, now: datetime, *, plain: bool = False) -> str:
    return "".join(part for part, _ in cells(batch, now, None, 20, plain)[column])


def test_the_age_is_since_it_was_sent_and_how_long_it_took_is_another_number(make: Make, now: datetime) -> None:
    ended = make(state=State.RETRIEVED, minutes=60 * 30, ended_at=now - timedelta(hours=29))
    assert text(ended, "age", now) == "1d 6h"
    assert text(ended, "took", now) == "1h 00m"
    assert text(make(minutes=5), "took", now) == "–"
    younger = make(1, minutes=60 * 20)
    assert [one.ref for one in in_order([ended, younger], "age", now, reverse=False)] == ["ref-1", "ref-0"]
    assert [one.ref for one in in_order([younger, ended], "took", now, reverse=True)] == ["ref-0", "ref-1"]


@pytest.mark.parametrize("state", [State.UNCONFIRMED, State.REJECTED, State.ENDED])
def test_a_row_that_needs_a_person_is_marked(make: Make, now: datetime, state: State) -> None:
    assert text(make(state=state), "name", now) == "! batch-0"


def test_what_is_just_being_fetched_asks_for_nobody(make: Make, now: datetime) -> None:
    for minutes, mark in ((0, ""), (5, "! ")):
        ended = make(state=State.ENDED, minutes=60, ended_at=now - timedelta(minutes=minutes))
        assert text(ended, "name", now) == f"{mark}batch-0"


def test_trouble_marks_a_row_and_none_leaves_it_alone(make: Make, now: datetime) -> None:
    troubled = make(state=State.RETRIEVED, trouble=Trouble("The disk is full.", "Make room.", now))
    assert text(troubled, "name", now) == "! batch-0"
    assert text(make(state=State.RETRIEVED), "name", now) == "batch-0"


def test_a_batch_without_a_name_is_called_by_its_id(make: Make, now: datetime) -> None:
    assert text(make(name=""), "name", now) == "msgbatch_" + "0" * 24


@pytest.mark.parametrize("state", [State.ENDED, State.IN_PROGRESS, State.CANCELING])
def test_results_about_to_go_are_marked_also_if_the_end_was_never_seen(make: Make, now: datetime, state: State) -> None:
    old = make(state=state, minutes=60 * 24 * 26, created_at=now - timedelta(days=26))
    assert cells(old, now, None, 20)["expires"] == (("3d 0h", "warn"),)
    assert text(old, "name", now) == "! batch-0"


def test_results_that_stay_for_long_are_not_marked(make: Make, now: datetime) -> None:
    ended = make(state=State.ENDED, minutes=60 * 24 * 20, created_at=now - timedelta(days=20), ended_at=now)
    assert cells(ended, now, None, 20)["expires"] == (("9d 0h", ""),)
    assert text(ended, "name", now) == "batch-0"


def test_a_copy_that_was_deleted_does_not_expire(make: Make, now: datetime) -> None:
    deleted = make(state=State.RETRIEVED, created_at=now - timedelta(days=26), remote_deleted_at=now)
    assert text(deleted, "expires", now) == "–"


def test_what_is_not_known_is_ascii_too(make: Make, now: datetime) -> None:
    for batch in (make(state=State.REJECTED, created_at=None), make(cost=Cost(estimated_usd=1.0))):
        assert all(text(batch, column, now, plain=True).isascii() for column in cells(batch, now, None, 20, True))


def test_a_row_says_when_its_deadline_is_until_its_results_are_here(make: Make, now: datetime) -> None:
    by = now + timedelta(hours=2)
    running = make(state=State.IN_PROGRESS, name="notes", deadline=by)
    assert text(running, "name", now) == "notes · deadline in 2h 00m"
    assert text(running, "name", now, plain=True) == "notes - deadline in 2h 00m"
    assert text(running, "expires", now) == "2h 00m"
    assert text(running, "name", by + timedelta(minutes=5)) == "notes · deadline 5m ago"
    assert text(make(state=State.RETRIEVED, name="notes", deadline=by), "name", now) == "notes"
