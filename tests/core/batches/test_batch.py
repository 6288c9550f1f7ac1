"""The records: what one look at the API changes, and how progress is reported."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import RETENTION, Attempt, Batch, State, age, newest_first, retention_left
from batchtui.core.batches.observe import observe
from batchtui.core.batches.progress import Counted, Waiting, progress, usual
from batchtui.core.batches.remote import Counts, ProcessingStatus, Remote

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
ID = "msgbatch_01aa"
ATTEMPT = Attempt(NOW, 100)


def batch(**fields: Any) -> Batch:
    usually = {"state": State.IN_PROGRESS, "id": ID, "created_at": NOW, "request_counts": Counts(processing=8)}
    blank: dict[str, Any] = {"ref": "b1", "name": "notes", "submission": "s1", "submitted_at": NOW, "requests": 8}
    return Batch(**{**blank, **usually, **fields})


def remote(status: ProcessingStatus = ProcessingStatus.IN_PROGRESS, **fields: Any) -> Remote:
    blank: dict[str, Any] = {
        "id": ID,
        "processing_status": status,
        "request_counts": Counts(processing=8),
        "created_at": NOW,
        "expires_at": NOW + timedelta(hours=24),
    }
    return Remote(**{**blank, **fields})


ENDED = remote(
    ProcessingStatus.ENDED, request_counts=Counts(succeeded=6, errored=2), ended_at=NOW + timedelta(minutes=3)
)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (ProcessingStatus.IN_PROGRESS, State.IN_PROGRESS),
        (ProcessingStatus.CANCELING, State.CANCELING),
        (ProcessingStatus("paused_for_lunch"), State.IN_PROGRESS),
        (ProcessingStatus.ENDED, State.ENDED),
    ],
)
@pytest.mark.parametrize("before", [State.SUBMITTING, State.UNCONFIRMED, State.IN_PROGRESS, State.CANCELING])
def test_a_look_gives_the_state_that_the_api_says(before: State, status: ProcessingStatus, state: State) -> None:
    seen = observe(batch(state=before, id=None, created_at=None), remote(status))
    assert (seen.state, seen.processing_status, seen.id, seen.created_at) == (state, status, ID, NOW)


def test_a_look_takes_every_field_of_the_api_and_keeps_ours() -> None:
    seen = observe(batch(name="mine", models=("m",), part=2), replace(ENDED, cancel_initiated_at=NOW))
    assert seen.request_counts == Counts(succeeded=6, errored=2)
    assert (seen.ended_at, seen.expires_at, seen.cancel_initiated_at) == (
        NOW + timedelta(minutes=3),
        NOW + timedelta(hours=24),
        NOW,
    )
    assert (seen.ref, seen.name, seen.models, seen.part) == ("b1", "mine", ("m",), 2)


@pytest.mark.parametrize("status", [ProcessingStatus.IN_PROGRESS, ProcessingStatus.CANCELING])
def test_an_end_is_never_undone_by_a_late_answer(status: ProcessingStatus) -> None:
    ended = observe(batch(), ENDED)
    assert observe(ended, remote(status)) == ended


@pytest.mark.parametrize("state", [State.RETRIEVED, State.GONE])
@pytest.mark.parametrize("seen", [remote(), ENDED], ids=["in_progress", "ended"])
def test_what_is_retrieved_or_gone_stays_so(state: State, seen: Remote) -> None:
    before = batch(state=state, request_counts=Counts(succeeded=8))
    assert observe(before, seen) == before


def test_a_retrieved_batch_still_learns_that_it_was_archived() -> None:
    before = batch(state=State.RETRIEVED)
    archived = observe(before, replace(ENDED, archived_at=NOW))
    assert archived == replace(before, archived_at=NOW)
    assert observe(archived, ENDED).archived_at == NOW


def test_an_ended_batch_whose_results_are_archived_is_gone() -> None:
    assert observe(batch(), replace(ENDED, archived_at=NOW)).state is State.GONE


def test_an_id_is_certain_once_its_own_account_has_shown_it_beside_the_answer_to_its_create() -> None:
    answered = observe(batch(attempt=ATTEMPT), remote(), confirms=False)
    assert not answered.certain
    assert observe(answered, remote()).certain
    assert not observe(batch(attempt=ATTEMPT, doubtful=True), remote()).certain
    assert batch(attempt=None).certain, "somebody else sent it, or its results are here"


def test_an_object_about_other_requests_than_we_sent_changes_nothing() -> None:
    ours = batch(requests=8, digest="ours")
    assert observe(ours, remote(request_counts=Counts(processing=9))) == ours
    theirs = observe(batch(requests=8), remote(request_counts=Counts(processing=9)))
    assert theirs.requests == 9, "of what somebody else sent, only the API knows the number"


def test_an_answer_without_counts_does_not_make_the_batch_empty() -> None:
    assert observe(batch(requests=8), remote(request_counts=Counts())).requests == 8


@pytest.mark.parametrize("state", [State.IN_PROGRESS, State.CANCELING])
def test_progress_is_a_time_while_the_counts_stand_still(state: State) -> None:
    later = NOW + timedelta(minutes=5)
    assert progress(batch(state=state), later, None) == Waiting(timedelta(minutes=5), None)
    hour = timedelta(hours=1)
    assert progress(batch(state=state), later, hour) == Waiting(timedelta(minutes=5), hour)


def test_progress_is_a_count_only_once_the_api_gave_one() -> None:
    moving = batch(request_counts=Counts(processing=5, succeeded=2, errored=1))
    assert progress(moving, NOW, timedelta(hours=1)) == Counted(3, 8)


@pytest.mark.parametrize("state", [State.SUBMITTING, State.UNCONFIRMED, State.REJECTED, State.GONE])
def test_there_is_no_progress_where_nothing_is_measured(state: State) -> None:
    assert progress(batch(state=state), NOW, timedelta(hours=1)) is None


@pytest.mark.parametrize("state", [State.ENDED, State.RETRIEVED])
def test_an_ended_batch_is_done_however_its_requests_ended(state: State) -> None:
    ended = batch(state=state, request_counts=Counts(succeeded=1, errored=2, canceled=3, expired=2))
    assert progress(ended, NOW, None) == Counted(8, 8)


def test_a_clock_that_runs_behind_gives_no_negative_age() -> None:
    early = NOW - timedelta(minutes=1)
    assert progress(batch(), early, None) == Waiting(timedelta(), None)
    assert age(batch(), early) == timedelta()


def test_the_age_of_a_batch_stops_with_its_end() -> None:
    assert age(batch(), NOW + timedelta(hours=2)) == timedelta(hours=2)
    assert age(batch(ended_at=NOW + timedelta(minutes=3)), NOW + timedelta(hours=2)) == timedelta(minutes=3)


def test_results_are_kept_29_days_from_the_making_not_from_the_end() -> None:
    kept = batch(ended_at=NOW + timedelta(hours=20))
    assert retention_left(kept, NOW + timedelta(days=28)) == timedelta(days=1)
    assert retention_left(kept, NOW + RETENTION + timedelta(seconds=1)) == timedelta(seconds=-1)
    assert retention_left(batch(created_at=None), NOW) is None


def past(minutes: float, **fields: Any) -> Batch:
    return batch(**{"state": State.RETRIEVED, "ended_at": NOW + timedelta(minutes=minutes), "models": ("m",), **fields})


def test_usual_is_the_median_of_the_same_models_and_like_sizes() -> None:
    like = batch(models=("m",), requests=100)
    history = (
        past(1, requests=25),
        past(10, requests=400),
        past(4, requests=100),
        past(1000, requests=24),
        past(1000, requests=401),
        past(1000, requests=100, models=("m", "other")),
        past(1000, requests=100, cancel_initiated_at=NOW),
        batch(models=("m",), requests=100),
    )
    assert usual(history, like) == timedelta(minutes=4)


def test_usual_is_not_known_without_a_past() -> None:
    assert usual((), batch()) is None
    assert usual((past(5, models=("other",)),), batch(models=("m",))) is None


def test_counts_add_up() -> None:
    counts = Counts(processing=1, succeeded=2, errored=3, canceled=4, expired=5)
    assert (counts.total, counts.done, counts.failed) == (15, 14, 12)


def test_the_newest_batch_comes_first_by_when_the_api_made_it() -> None:
    sent_first = batch(ref="b1", submitted_at=NOW, created_at=NOW + timedelta(minutes=2))
    sent_second = batch(ref="b2", submitted_at=NOW + timedelta(minutes=1), created_at=None)
    assert sorted([sent_second, sent_first], key=newest_first) == [sent_first, sent_second]


@pytest.mark.parametrize(
    "hostile",
    ["msgbatch_../../etc", "msgbatch_a/b", "msgbatch_", "batch_1", "msgbatch_a\n", "msgbatch_a b", "x" * 300, ""],
)
def test_an_id_that_could_be_a_path_never_gets_in(hostile: str) -> None:
    said = {**msgspec.to_builtins(ENDED), "id": hostile}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, Remote)


@pytest.mark.parametrize("missing", ["id", "processing_status", "request_counts", "created_at", "expires_at"])
def test_an_answer_without_a_field_that_counts_is_refused(missing: str) -> None:
    said = msgspec.to_builtins(ENDED)
    del said[missing]
    with pytest.raises(msgspec.ValidationError, match=missing):
        msgspec.convert(said, Remote)


@pytest.mark.parametrize(
    ("field", "odd"),
    [
        ("created_at", "2026-11-22T10:00:00"),
        ("created_at", "9999-12-31T23:59:59Z"),
        ("expires_at", "0001-01-01T00:00:00Z"),
        ("ended_at", "2026-11-22T10:00:00"),
        ("request_counts", {"processing": -1}),
        ("request_counts", {"processing": 9, "succeeded": 10**30}),
    ],
)
def test_times_and_counts_that_cannot_be_are_refused_before_anybody_reckons_with_them(field: str, odd: object) -> None:
    said = {**msgspec.to_builtins(ENDED), field: odd}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, Remote)
