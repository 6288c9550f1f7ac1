"""What is due at a deadline, from the state alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches import deadline, deadline_text
from batchtui.core.batches.batch import Batch, Cost, Part, Snapshot, State, Submission
from batchtui.core.batches.going_on import can_go_on, goes_on
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.plan import counts, outputs_due, spoiled_canaries, step_due, to_send
from batchtui.core.batches.remote import Counts
from batchtui.core.errors import BadInput

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
BY = NOW + timedelta(hours=6)
AFTER = BY + timedelta(minutes=1)


def batch(ref: str = "a", state: State = State.IN_PROGRESS, **more: Any) -> Batch:
    fields: dict[str, Any] = {"id": f"msgbatch_{ref}", "requests": 10, "deadline": BY, "submitted_at": NOW} | more
    return Batch(ref=ref, name="n", submission="s", state=state, **fields)


def part(ref: str = "p", number: int = 2, **more: Any) -> Part:
    return Part(ref=ref, requests=5, bytes=9, digest="", number=number, **{"max_usd": 1.0, "estimated_usd": 0.5} | more)


def state(*batches: Batch, **more: Any) -> Snapshot:
    fields = {"batches": tuple(one.ref for one in batches), "deadline": BY} | more
    submission = Submission(ref="s", name="n", created_at=NOW, requests=10, **fields)
    return Snapshot(1, batches, {"s": submission})


def only(snapshot: Snapshot) -> Submission:
    return snapshot.submissions["s"]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90m", NOW + timedelta(minutes=90)),
        ("6h", NOW + timedelta(hours=6)),
        ("1d", NOW + timedelta(days=1)),
        ("2h30m", NOW + timedelta(hours=2, minutes=30)),
        ("1d2h3m", NOW + timedelta(days=1, hours=2, minutes=3)),
        (" 6h ", NOW + timedelta(hours=6)),
        ("2026-11-26T18:00:00Z", BY),
        ("2026-11-26t18:00:00z", BY),
        ("2026-11-26 20:00:00+02:00", BY),
        ("2026-11-26T18:00:00.5Z", BY + timedelta(seconds=0.5)),
    ],
)
def test_a_deadline_is_read_as_it_is_written(text: str, at: datetime) -> None:
    assert deadline_text.read(text, NOW) == at
    assert deadline_text.is_well_formed(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "6", "h", "6x", "6h6h", "30m2h", "-6h", "1.5h", "6H", "٦h", "99999999d", "9999999999h"),
        *("2026-11-26", "2026-11-26T18:00:00", "2026-11-26T18:00Z", "2026-13-26T18:00:00Z", "tomorrow", "\x1b[31m6h"),
    ],
)
def test_what_is_no_deadline_is_refused_with_the_forms_that_are(text: str) -> None:
    assert not deadline_text.is_well_formed(text)
    with pytest.raises(BadInput) as refused:
        deadline_text.read(text, NOW)
    assert "90m, 6h, 1d or 2h30m" in refused.value.hint
    assert "\x1b" not in refused.value.message


@pytest.mark.parametrize("text", ["0m", "0d", "2026-11-26T12:00:00Z", "2020-01-01T00:00:00+01:00"])
def test_a_deadline_that_is_over_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is over"):
        deadline_text.read(text, NOW)


def test_a_deadline_too_far_for_a_calendar_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        deadline_text.read("9999d", datetime(9990, 1, 1, tzinfo=UTC))


def test_nothing_is_due_before_the_deadline_and_all_that_has_not_ended_is_after_it() -> None:
    before = state(batch(), waiting=(part(),))
    assert not list(deadline.past(before, BY - timedelta(seconds=1)))
    [found] = deadline.past(before, BY)
    gone, late = deadline.gone_out(found, before.batches)
    assert (gone.urgent, [one.overdue for one in late]) == (True, [True])
    assert (gone.waiting[0].max_usd, gone.waiting[0].estimated_usd) == (2.0, 1.0)
    after = Snapshot(2, tuple(late), {"s": gone})
    assert not list(deadline.past(after, AFTER))  # once
    assert [one.ref for one in deadline.to_cancel(after)] == ["a"]
    assert not list(to_send(after))
    assert [(one.ref, [each.ref for each in parts]) for one, parts in deadline.to_answer(after)] == [("s", ["p"])]


@pytest.mark.parametrize(
    ("one", "late"),
    [
        (batch(), True),
        (batch(state=State.CANCELING), True),
        (batch(state=State.UNCONFIRMED, id=None), True),
        (batch(state=State.SUBMITTING, id=None), True),
        (batch(state=State.ENDED, ended_at=BY), False),
        (batch(state=State.ENDED, ended_at=AFTER), True),
        (batch(state=State.RETRIEVED, ended_at=AFTER), False),
        (batch(state=State.RETRIEVED, ended_at=AFTER, outcomes=Outcomes(answered=9, expired=1)), True),
        (batch(state=State.RETRIEVED, ended_at=BY, outcomes=Outcomes(answered=9, expired=1)), False),
        (batch(cancel_initiated_at=NOW), False),
        (batch(state=State.CANCELING, cancel_initiated_at=NOW), False),
        (batch(deadline=None), False),
        (batch(state=State.REJECTED, id=None), False),
        (batch(state=State.GONE), False),
    ],
)
def test_what_ended_in_time_or_was_left_alone_is_not_overdue(one: Batch, late: bool) -> None:
    assert deadline.is_overdue(one) is late


def test_what_is_stopped_or_has_nothing_left_does_not_go_out() -> None:
    assert not list(deadline.past(state(batch(), stopped=True), AFTER))
    assert not list(deadline.past(state(batch(state=State.RETRIEVED, ended_at=BY)), AFTER))
    assert [one.ref for one in deadline.past(state(batch(state=State.RETRIEVED, ended_at=BY), steps=("x",)), AFTER)]


def test_a_batch_is_canceled_once_and_only_if_it_is_surely_ours() -> None:
    canceled = batch(state=State.CANCELING, overdue=True, cancel_initiated_at=AFTER)
    doubtful = batch("b", overdue=True, doubtful=True)
    snapshot = state(canceled, doubtful, urgent=True)
    assert deadline.to_cancel(snapshot) == []
    assert [one.ref for one in deadline.unsure(snapshot)] == ["s"]
    assert deadline.to_cancel(state(batch(overdue=True), urgent=True, stopped=True)) == []


def test_the_rest_is_due_once_the_batch_and_its_retries_are_over_and_until_then_no_output_runs() -> None:
    here = batch(state=State.RETRIEVED, ended_at=AFTER, retrieved_at=AFTER, overdue=True)
    again = batch("b", retry_of="a", overdue=True, submitted_at=NOW + timedelta(hours=1))
    assert not list(deadline.rests_due(state(here, again, urgent=True)))
    over = replace(again, state=State.RETRIEVED, ended_at=AFTER, retrieved_at=AFTER)
    due = state(here, over, urgent=True, steps=("x",))
    assert [one.ref for one in deadline.rests_due(due)] == ["a"]
    assert can_go_on(due)
    assert goes_on(due, only(due), due.batches)
    assert not list(step_due(due))
    assert not list(outputs_due(due))
    left = [replace(one, overdue=False) for one in due.batches]
    assert [one.ref for one, _ in step_due(state(*left, urgent=True, steps=("x",)))] == ["s"]


def test_a_rest_that_waits_is_processing_and_not_failed() -> None:
    over = batch(state=State.RETRIEVED, ended_at=AFTER, request_counts=Counts(succeeded=5, canceled=5))
    rest = part(retry_of="a", retried={"canceled": 5})
    assert counts([over], [rest]) == Counts(succeeded=5, processing=5)


def test_what_waits_is_held_by_its_limit_also_if_its_cost_is_not_known() -> None:
    over = batch(state=State.RETRIEVED, ended_at=AFTER, cost=Cost(actual_usd=1.0))
    for most, allowed in ((2.0, True), (1.9, False)):
        snapshot = state(over, urgent=True, waiting=(part(retry_of="a"),), max_cost=most)
        assert any(deadline.to_answer(snapshot)) is allowed
    unknown = state(over, urgent=True, waiting=(part(retry_of="a", max_usd=None),), max_cost=9.0)
    assert not any(deadline.to_answer(unknown))
    assert [one.ref for one in deadline.unpriced(unknown)] == ["s"]


def test_a_canary_lets_the_rest_go_only_with_all_its_answers() -> None:
    canary = batch(state=State.RETRIEVED, ended_at=AFTER, outcomes=Outcomes(answered=6, canceled=4))
    rest, others = part("r", 1, retry_of="a", retried={"canceled": 4}), part("q", 2)
    ways: dict[str, Any] = {"urgent": True, "canary": True}

    def may_go(snapshot: Snapshot) -> list[str]:
        return [one.ref for _, parts in deadline.to_answer(snapshot) for one in parts]

    waits = state(canary, waiting=(others, rest), **ways)
    assert may_go(waits) == ["r"]
    assert not list(spoiled_canaries(waits))
    good = batch("r", State.RETRIEVED, id=None, ended_at=AFTER, retry_of="a", retried={"canceled": 4})
    good = replace(good, outcomes=Outcomes(answered=4))
    clean = state(canary, good, waiting=(others,), **ways)
    assert may_go(clean) == ["q"]
    assert not list(spoiled_canaries(clean))
    bad = state(canary, replace(good, outcomes=Outcomes(answered=3, refused=1)), waiting=(others,), **ways)
    assert may_go(bad) == []
    [(_, merged)] = spoiled_canaries(bad)
    assert merged.unanswered == 1


def test_what_a_person_holds_back_is_not_sent_at_once() -> None:
    running, over = batch(overdue=True), batch("b", State.RETRIEVED, ended_at=NOW)
    held, changed = deadline.withdrawn(only(state(running, over)), [running, over])
    assert held.deadline is None
    assert [(one.ref, one.overdue, one.deadline) for one in changed] == [("a", False, None)]
    assert deadline.withdrawn(only(state(running, urgent=True)), [running])[0].by_hand is False


def test_the_next_look_is_due_at_the_deadline_and_soon_after_it() -> None:
    assert deadline.seconds_to_next(state(batch()), NOW) == 6 * 3600
    assert deadline.seconds_to_next(state(batch()), AFTER) == 0
    assert deadline.seconds_to_next(state(batch(overdue=True), urgent=True), AFTER) == deadline.SOON
    assert deadline.seconds_to_next(state(batch(state=State.RETRIEVED, ended_at=BY)), NOW) is None
    assert deadline.seconds_to_next(state(batch(), stopped=True), NOW) is None


def test_rows_say_when_the_deadline_is() -> None:
    assert deadline_text.of_batch(batch(), BY - timedelta(hours=1, seconds=59)) == "deadline in 1h 01m"
    assert deadline_text.of_batch(batch(), BY - timedelta(seconds=59)) == "deadline in 59s"
    assert deadline_text.of_batch(batch(), AFTER) == "deadline 1m ago"
    assert deadline_text.of_batch(batch(state=State.RETRIEVED), AFTER) == ""
    assert deadline_text.of_batch(batch(deadline=None), AFTER) == ""
