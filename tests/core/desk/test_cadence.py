"""When the next look is: soon after a submit and around the usual end, seldom in between, and never too many a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from batchtui.core.batches.batch import Attempt, Batch, Snapshot, State, Trouble
from batchtui.core.desk import cadence
from batchtui.core.desk.cadence import LATER, LONGEST, PER_LOOK, SOONEST, USUALLY, after_look, next_look, wait_for
from batchtui.core.state.looks import CREDIT

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
HOUR = 3600.0
AN_HOUR = tuple(sorted(HOUR + 30.0 * step for step in range(-10, 11)))
"""Twenty-one batches that took an hour, give or take five minutes."""


def running(minutes: float, model: str = "m", requests: int = 8) -> Batch:
    began = NOW - timedelta(minutes=minutes)
    return Batch(
        ref=f"b{minutes}",
        name="n",
        submission="s",
        submitted_at=began,
        created_at=began,
        requests=requests,
        state=State.IN_PROGRESS,
        id=f"msgbatch_{minutes}",
        models=(model,),
    )


def ended(number: int, took: float, model: str = "m", requests: int = 8, **fields: object) -> Batch:
    made = NOW - timedelta(days=2 + number)
    return Batch(
        ref=f"e{number}{model}",
        name="n",
        submission="s",
        submitted_at=made,
        created_at=made,
        ended_at=made + timedelta(seconds=took),
        requests=requests,
        state=State.RETRIEVED,
        models=(model,),
        **fields,  # type: ignore[arg-type]
    )


def looks(took: float, past: tuple[float, ...]) -> tuple[int, float]:
    """How many looks a batch costs, and how late its end is seen."""
    at, count = 0.0, 0
    while at < took:
        at += wait_for(at, past)
        count += 1
    return count, at - took


def test_a_batch_that_was_just_sent_is_looked_at_soon() -> None:
    assert wait_for(0.0, ()) == SOONEST
    assert wait_for(60.0, ()) < 30.0


def test_without_a_past_the_wait_grows_with_the_age_up_to_the_usual_one() -> None:
    waits = [wait_for(age, ()) for age in (0.0, 120.0, 600.0, 0.9 * HOUR, 4 * HOUR)]
    assert waits == sorted(waits)
    assert waits[-2:] == [USUALLY, LATER]


def test_while_it_is_too_early_looks_are_seldom_and_around_the_usual_end_they_are_many() -> None:
    early, due = wait_for(0.4 * HOUR, AN_HOUR), wait_for(HOUR, AN_HOUR)
    assert early > USUALLY > 1.4 * due
    assert early <= LONGEST


def test_a_wait_does_not_step_over_the_usual_end() -> None:
    assert 0.70 * HOUR + wait_for(0.70 * HOUR, AN_HOUR) < HOUR


def test_a_known_kind_costs_fewer_looks_than_a_fixed_interval_and_is_seen_about_as_soon() -> None:
    counts, lates = zip(*(looks(took, AN_HOUR) for took in AN_HOUR), strict=True)
    assert sum(counts) / len(counts) < 0.7 * HOUR / USUALLY
    assert sum(lates) / len(lates) < USUALLY


def test_one_that_is_later_than_all_before_is_looked_at_as_if_nothing_were_known() -> None:
    assert wait_for(1.2 * HOUR, AN_HOUR) <= 1.5 * USUALLY
    assert wait_for(3 * HOUR, AN_HOUR) == wait_for(3 * HOUR, ()) == LATER


def test_near_the_limit_of_a_day_looks_are_close() -> None:
    assert wait_for(24 * HOUR - 300.0, ()) <= 120.0
    assert wait_for(24 * HOUR + 1.0, AN_HOUR) <= 120.0


def test_the_most_urgent_batch_decides() -> None:
    old = running(300)
    assert next_look(Snapshot(1, (old,)), CREDIT, NOW) == LATER
    assert next_look(Snapshot(1, (running(0), old)), CREDIT, NOW) == SOONEST


def test_the_past_counts_of_the_same_models_and_about_the_same_size() -> None:
    hour = [ended(number, HOUR) for number in range(8)]
    ours = next_look(Snapshot(1, (running(20), *hour)), CREDIT, NOW)
    assert ours > USUALLY
    for other in (running(20, model="other"), running(20, requests=800)):
        assert next_look(Snapshot(1, (other, *hour)), CREDIT, NOW) <= USUALLY


def test_what_was_canceled_says_nothing_about_how_long_batches_take() -> None:
    canceled = [ended(number, HOUR, cancel_initiated_at=NOW) for number in range(8)]
    assert next_look(Snapshot(1, (running(20), *canceled)), CREDIT, NOW) <= USUALLY


def test_with_nothing_under_way_the_usual_wait_is_enough() -> None:
    assert next_look(Snapshot(), CREDIT, NOW) == USUALLY


def test_a_clock_that_was_set_back_by_years_is_no_reason_to_look_for_ever() -> None:
    assert next_look(Snapshot(1, (running(-60 * 24 * 700),)), 0.0, NOW) == PER_LOOK
    assert next_look(Snapshot(1, (running(60 * 24 * 700),)), CREDIT, NOW) == LATER


def _lost(minutes: float) -> Batch:
    sent = NOW - timedelta(minutes=minutes)
    attempt = Attempt(started_at=sent, bytes=10)
    return Batch(
        ref="u", name="n", submission="s", submitted_at=sent, requests=8, state=State.UNCONFIRMED, attempt=attempt
    )


def test_an_unknown_submission_is_looked_for_soon_then_ever_more_seldom() -> None:
    waits = [next_look(Snapshot(1, (_lost(minutes), running(600))), CREDIT, NOW) for minutes in (0.5, 4, 600, 3000)]
    assert waits == [SOONEST, 60.0, USUALLY, USUALLY]


def test_results_that_do_not_come_are_tried_soon_then_ever_more_seldom() -> None:
    def failing(minutes: float) -> Batch:
        trouble = Trouble("It broke.", "", NOW)
        since = NOW - timedelta(minutes=minutes)
        one = running(60)
        return Batch(
            **{name: getattr(one, name) for name in one.__struct_fields__}
            | {"state": State.ENDED, "trouble": trouble, "failing_since": since}
        )

    assert [next_look(Snapshot(1, (failing(minutes),)), CREDIT, NOW) for minutes in (0, 4, 600)] == [15.0, 60.0, 300.0]


def test_a_batch_that_runs_for_hours_saves_looks_for_one_that_is_sent_next() -> None:
    credit = 0.0
    for age in range(3, 15):
        credit = after_look(credit, next_look(Snapshot(1, (running(60.0 * age),)), credit, NOW))
    assert credit > 5.0


@pytest.mark.parametrize("wanted", [SOONEST, 40.0, 200.0])
def test_whatever_is_wanted_a_day_has_fewer_looks_than_with_a_fixed_interval(wanted: float) -> None:
    snapshot, credit, at, count = Snapshot(1, (running(0),)), CREDIT, 0.0, 0
    while at < 24 * HOUR:
        wait = max(next_look(snapshot, credit, NOW), wanted)
        credit = after_look(credit, wait)
        at, count = at + wait, count + 1
    assert count < 24 * HOUR / USUALLY


def test_of_ten_thousand_batches_under_way_some_are_enough_to_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs on the event loop, twice a look."""
    asked: list[float] = []
    monkeypatch.setattr(cadence, "wait_for", lambda age, past: asked.append(age) or SOONEST)
    next_look(Snapshot(1, tuple(running(number / 7) for number in range(10_000))), CREDIT, NOW)
    assert 100 <= len(asked) <= 200
    assert min(asked) < 60.0, "the youngest is among them"
