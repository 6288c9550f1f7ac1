"""Which events hold in a state: each of its names, its cause, its id, and what counts as told."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Attempt, Batch, Output, Snapshot, State, Submission, Trouble
from batchtui.core.batches.event import Event, as_json
from batchtui.core.batches.events import changed, holding, submission_with_marks, untold, with_marks
from batchtui.core.batches.observe import without_copy
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.progress import ENOUGH
from batchtui.core.batches.remote import Counts
from batchtui.core.event_names import EventName
from tests.json_output import validator

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def batch(ref: str = "b1", **fields: object) -> Batch:
    usual: dict[str, object] = {
        "ref": ref,
        "name": "daily",
        "submission": f"s{ref[1:]}",
        "submitted_at": NOW - HOUR,
        "requests": 10,
        "state": State.IN_PROGRESS,
        "id": f"msgbatch_{ref}",
        "created_at": NOW - HOUR,
        "models": ("claude-haiku-5-5",),
        "request_counts": Counts(processing=10),
    }
    return Batch(**{**usual, **fields})  # type: ignore[arg-type]


def submission(*batches: Batch, **fields: object) -> Submission:
    usual = {"ref": batches[0].submission, "name": "daily", "created_at": NOW - HOUR, "requests": 10}
    return Submission(**{**usual, "batches": tuple(one.ref for one in batches), **fields})  # type: ignore[arg-type]


def state(*batches: Batch, whole: Submission | None = None, revision: int = 1) -> Snapshot:
    whole = whole or submission(*batches)
    others = {one.submission: submission(one) for one in batches}
    return Snapshot(revision, batches, {**others, whole.ref: whole})


def told(snapshot: Snapshot, now: datetime = NOW) -> Snapshot:
    """The state once everything that holds is marked."""
    held = untold(snapshot, now)

    def marks(ref: str) -> list[str]:
        return [one.mark for one in held if one.owner.ref == ref]

    batches = tuple(with_marks(one, marks(one.ref), marks(one.ref)) for one in snapshot.batches)
    wholes = {ref: submission_with_marks(one, marks(ref), marks(ref)) for ref, one in snapshot.submissions.items()}
    return Snapshot(snapshot.revision + 1, batches, wholes)


def names(snapshot: Snapshot, now: datetime = NOW) -> list[str]:
    return [one.event.event.value for one in untold(snapshot, now)]


def the(name: str, snapshot: Snapshot, now: datetime = NOW) -> Event:
    [event] = [one.event for one in untold(snapshot, now) if one.event.event == name]
    return event


def test_a_batch_that_the_api_accepted_is_submitted_once() -> None:
    before = state(batch())
    event = the("submitted", before)
    assert (event.batch, event.ref, event.submission, event.name) == ("msgbatch_b1", "b1", "s1", "daily")
    assert event.at == NOW - HOUR
    assert names(told(before)) == []


def test_what_somebody_else_sent_was_not_submitted() -> None:
    one = batch()
    assert names(state(one, whole=submission(one, adopted=True))) == []


def test_an_end_and_a_retrieval_have_their_times_and_figures() -> None:
    counts, outcomes = Counts(succeeded=9, errored=1), Outcomes(answered=8, cut=1, errored=1)
    ended = batch(state=State.ENDED, ended_at=NOW, request_counts=counts)
    assert names(told(state(batch()))) == []
    after = told(state(batch())).batches[0].told
    assert names(state(replace(ended, told=after))) == ["ended"]
    assert the("ended", state(ended)).at == NOW
    here = replace(ended, state=State.RETRIEVED, retrieved_at=NOW + HOUR, outcomes=outcomes, results_path="/r")
    event = the("retrieved", state(here))
    assert (event.at, event.results_path, event.outcomes) == (NOW + HOUR, "/r", outcomes)
    assert the("ended", state(here)).id == the("ended", state(ended)).id


def test_an_id_that_turned_out_to_be_somebody_elses_does_not_hide_the_end_of_the_true_one() -> None:
    wrong = told(state(batch(id="msgbatch_wrong", state=State.ENDED, ended_at=NOW))).batches[0]
    true = replace(wrong, id="msgbatch_true")
    assert names(state(true)) == ["submitted", "ended"]


def test_an_unknown_outcome_is_said_with_what_to_do() -> None:
    attempt = Attempt(NOW, 1)
    trouble = Trouble("The API's list does not show it yet.", "Do not submit it again.", NOW, "unknown_outcome")
    lost = batch(state=State.UNCONFIRMED, id=None, created_at=None, attempt=attempt, trouble=trouble)
    event = the("unconfirmed", state(lost))
    assert (event.batch, event.code, event.hint) == ("b1", "unknown_outcome", "Do not submit it again.")
    released = replace(lost, attempt=replace(attempt, refused=("msgbatch_x",)))
    assert the("unconfirmed", state(released)).id != event.id


def test_the_same_trouble_is_one_event_and_a_different_one_another() -> None:
    def with_trouble(message: str, code: str = "failed", at: datetime = NOW) -> Snapshot:
        return state(batch(trouble=Trouble(message, "Mend it.", at, code)))

    first = the("trouble", with_trouble("Line 17 of 300 is broken."))
    assert (first.message, first.hint, first.code) == ("Line 17 of 300 is broken.", "Mend it.", "failed")
    assert the("trouble", with_trouble("Line 18 of 301 is broken.", at=NOW + HOUR)).id == first.id
    assert the("trouble", with_trouble("The disk is full.")).id != first.id
    assert the("trouble", with_trouble("Line 17 of 300 is broken.", "other")).id != first.id
    after = told(with_trouble("The disk is full.")).batches[0]
    again = replace(after, trouble=Trouble("The disk is full.", "", NOW + HOUR, "failed"))
    assert names(state(again)) == []


def test_troubles_without_end_do_not_grow_a_record_without_end() -> None:
    one = batch()
    for number in range(100):
        words = chr(ord("a") + number % 26) + chr(ord("a") + number // 26)
        one = told(state(replace(one, trouble=Trouble(words, "", NOW)))).batches[0]
    assert len(one.told) < 20
    assert names(state(one)) == []


def test_a_download_that_just_broke_may_pass_and_one_that_fails_for_long_is_trouble() -> None:
    def broken(at: datetime, code: str = "unreachable") -> Snapshot:
        trouble = Trouble("The connection broke.", "", at, code)
        return state(batch(state=State.ENDED, ended_at=NOW, trouble=trouble, failing_since=NOW))

    assert "trouble" not in names(broken(NOW + timedelta(minutes=9)))
    assert "trouble" in names(broken(NOW + timedelta(minutes=10)))
    assert "trouble" in names(broken(NOW, "unverified"))


def test_a_trouble_of_the_whole_submission_is_said_once_and_not_for_its_batch_too() -> None:
    trouble = Trouble("The output failed.", "batchtui show", NOW, "output_failed")
    one = batch(trouble=trouble)
    held = untold(state(one, whole=submission(one, trouble=trouble, stopped=True)), NOW)
    assert [each.event.id for each in held if each.event.event == "trouble"] == [f"s1-{held[-1].mark}"]


@pytest.mark.parametrize(("code", "urgent"), [("unreachable", False), ("busy", False), ("failed", True)])
def test_what_a_later_look_does_or_a_person_watches_is_no_trouble(code: str, urgent: bool) -> None:
    one = batch()
    whole = submission(one, trouble=Trouble("Not sent yet.", "", NOW, code), urgent=urgent)
    assert names(state(one, whole=whole)) == ["submitted"]


def test_answers_that_met_no_row_are_trouble_of_the_submission() -> None:
    one = batch()
    output = Output("sqlite", "/x.db", {"table": "news"}, NOW, 8, unmatched=2)
    event = the("trouble", state(one, whole=submission(one, outputs=(output,))))
    assert event.code == "rows_unmatched"
    more = submission(one, outputs=(replace(output, unmatched=3),))
    assert the("trouble", state(one, whole=more)).id != event.id


def test_an_output_is_said_with_its_place_once_even_if_it_stands_on_every_batch_of_its_step() -> None:
    output = Output("csv", "/out.csv", {"safe": True}, NOW, 7)
    one, other = batch("b1", outputs=(output,)), batch("b2", submission="s1", outputs=(output,))
    before = state(one, other, whole=submission(one, other))
    event = the("output", before)
    assert event.output is not None
    assert (event.output.kind, event.output.path, event.output.rows, event.batch) == (
        "csv",
        "/out.csv",
        7,
        "msgbatch_b2",
    )
    after = told(before)
    assert names(after) == []
    [mark] = [one for one in after.submissions["s1"].told if one.startswith("output-")]
    later = tuple(replace(each, outputs=(replace(output, done_at=NOW + HOUR),)) for each in after.batches)
    again = Snapshot(3, later, after.submissions)
    assert names(again) == ["output"]
    assert mark not in told(again).submissions["s1"].told, "a mark of what can no longer hold is dropped"


def test_every_step_that_was_begun_is_said_even_if_two_began_since() -> None:
    one = batch()
    events = [each.event for each in untold(state(one, whole=submission(one, step=2)), NOW)]
    assert [each.step.number for each in events if each.step] == [2, 3]


def past(count: int, minutes: int = 10) -> tuple[Batch, ...]:
    began = NOW - timedelta(days=2)
    return tuple(
        batch(
            f"p{number}",
            state=State.RETRIEVED,
            created_at=began,
            ended_at=began + timedelta(minutes=minutes + number),
            retrieved_at=began + HOUR,
        )
        for number in range(count)
    )


def late(snapshot: Snapshot, now: datetime = NOW) -> list[Event]:
    return [one.event for one in untold(snapshot, now) if one.event.event == EventName.LATE]


def test_late_is_slower_than_95_of_100_such_batches_and_is_not_said_of_few() -> None:
    """Of 20 that took 10 to 29 minutes, 95 % took at most 28."""
    one = batch(created_at=NOW)
    after = [NOW + timedelta(minutes=28), NOW + timedelta(minutes=28, seconds=1)]
    assert [len(late(state(one, *past(ENOUGH)), at)) for at in after] == [0, 1]
    [event] = late(state(one, *past(ENOUGH)), after[1])
    assert (event.age_seconds, event.slow_seconds, event.at) == (28 * 60 + 1, 28 * 60, after[0])
    assert late(state(one, *past(ENOUGH - 1)), NOW + 10 * HOUR) == []
    for other in (
        replace(one, models=("claude-opus-5",)),
        replace(one, requests=1000),
        replace(one, state=State.CANCELING),
        replace(one, state=State.ENDED, ended_at=NOW),
    ):
        assert late(state(other, *past(ENOUGH)), NOW + 10 * HOUR) == []


def test_results_that_are_not_here_are_warned_of_five_days_before_they_go() -> None:
    ended = batch(state=State.ENDED, ended_at=NOW, created_at=NOW)
    gone = NOW + timedelta(days=29)

    def warned(one: Batch, now: datetime) -> bool:
        return "expiring" in names(state(one), now)

    assert [warned(ended, gone - timedelta(days=days)) for days in (6, 5, 1, 0)] == [False, True, True, False]
    event = the("expiring", state(ended), gone - HOUR)
    assert (event.gone_at, event.at) == (gone, gone - timedelta(days=5))
    assert "batchtui retrieve msgbatch_b1" in str(event.message)
    here = replace(ended, state=State.RETRIEVED, retrieved_at=NOW)
    assert not warned(here, gone - HOUR)
    assert not warned(without_copy(ended, NOW), gone - HOUR)
    assert warned(batch(created_at=NOW), gone - HOUR), "it was not looked at since"


def test_a_submission_that_its_limit_holds_is_over_budget_and_no_other_trouble() -> None:
    one = batch()
    trouble = Trouble("5 requests not sent: the limit is $1.00.", "--max-cost USD", NOW, "over_limit")
    whole = submission(one, trouble=trouble, max_cost=1.0)
    event = the("over_budget", state(one, whole=whole))
    assert (event.max_usd, event.message, event.hint) == (1.0, trouble.message, trouble.hint)
    assert "trouble" not in names(state(one, whole=whole))
    assert the("over_budget", state(one, whole=replace(whole, max_cost=2.0))).id != event.id


def test_a_copy_that_was_deleted_at_the_api_is_said() -> None:
    assert the("deleted", state(batch(remote_deleted_at=NOW))).at == NOW


def test_ids_do_not_depend_on_who_finds_it_or_when() -> None:
    one = batch(state=State.RETRIEVED, ended_at=NOW, retrieved_at=NOW, trouble=Trouble("x", "", NOW))
    ids = [each.event.id for each in holding(state(one), NOW)]
    assert ids == [each.event.id for each in holding(state(one, revision=9), NOW + HOUR)]
    assert len(set(ids)) == len(ids) == 4


def test_the_json_has_every_field_always_and_is_ascii_whatever_the_name() -> None:
    evil = "\x1b]0;owned\x07[bold]\u202e\r\nINJECTED"
    one = batch(name=evil, trouble=Trouble(evil, evil, NOW))
    fields = [as_json(each.event) for each in holding(state(one), NOW)]
    assert all(validator("event").is_valid(each) for each in fields)
    assert {tuple(each) for each in fields} == {("schema", *Event.__struct_fields__)}
    text = json.dumps(fields)
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)[0]["name"] == evil
    assert fields[0]["request_counts"] == {
        "processing": 10, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0
    }  # fmt: skip


def test_a_state_that_did_not_change_has_nothing_new() -> None:
    after = state(batch(state=State.ENDED, ended_at=NOW), revision=2)
    assert changed(after, after) == set()
