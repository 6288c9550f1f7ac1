"""Which results are about to go, and which copies are due to be deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from batchtui.core.batches.batch import RETENTION, Batch, State
from batchtui.core.batches.expiry import WARNED, about_to_go, state_words, to_delete, warning

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def batch(state: State, age: timedelta, **fields: Any) -> Batch:
    usual = {"ref": "b1", "name": "n", "submission": "s1", "requests": 8, "id": "msgbatch_1"}
    return Batch(**{**usual, "submitted_at": NOW - age, "created_at": NOW - age, "state": state, **fields})


@pytest.mark.parametrize("state", State)
def test_a_warning_is_for_results_at_the_api_that_are_not_here(state: State) -> None:
    """What seems to run for weeks has ended unseen: the API ends every batch within a day."""
    missing = state in (State.ENDED, State.IN_PROGRESS, State.CANCELING)
    for age, goes in ((23 * DAY, False), (24 * DAY, True), (28.9 * DAY, True), (29 * DAY, False), (40 * DAY, False)):
        left = about_to_go(batch(state, age), NOW)
        assert left == (RETENTION - age if missing and goes else None), age
        assert (left is None) == (warning(batch(state, age), NOW) == "")
    assert about_to_go(batch(state, 24 * DAY, created_at=None), NOW) is None


def test_the_warning_begins_five_days_before_and_names_the_way_out() -> None:
    assert about_to_go(batch(State.ENDED, RETENTION - WARNED), NOW) == WARNED == 5 * DAY
    going = batch(State.ENDED, 27 * DAY)
    assert state_words(going, NOW) == "ended, results go in 2d 0h"
    assert warning(going, NOW).endswith("drops them in 2d 0h: batchtui retrieve msgbatch_1")
    assert state_words(batch(State.RETRIEVED, 27 * DAY), NOW) == "retrieved"


def test_due_are_results_that_have_been_here_long_enough_the_longest_first() -> None:
    old = batch(State.RETRIEVED, 9 * DAY, ref="b-old", retrieved_at=NOW - 8 * DAY)
    new = batch(State.RETRIEVED, 9 * DAY, ref="b-new", retrieved_at=NOW - 7 * DAY)
    others = (
        batch(State.RETRIEVED, 9 * DAY, retrieved_at=NOW - 6.9 * DAY),
        batch(State.RETRIEVED, 9 * DAY, retrieved_at=NOW - 8 * DAY, remote_deleted_at=NOW),
        batch(State.RETRIEVED, 9 * DAY, retrieved_at=NOW - 8 * DAY, id=None, created_at=None),
        batch(State.RETRIEVED, 29 * DAY, retrieved_at=NOW - 28 * DAY),
        batch(State.RETRIEVED, 9 * DAY),
        batch(State.ENDED, 9 * DAY, retrieved_at=NOW - 8 * DAY),
        batch(State.GONE, 9 * DAY, retrieved_at=NOW - 8 * DAY),
    )
    assert to_delete([new, *others, old], 7 * DAY, NOW) == [old, new]
