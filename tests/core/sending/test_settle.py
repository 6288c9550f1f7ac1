"""Matching intents with listed batches: pure decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Attempt, Batch, State
from batchtui.core.batches.remote import Counts, ProcessingStatus, Remote
from batchtui.core.sending.settle import GRACE, SKEW, given_up, oldest_needed, settle, why_not_it

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def intent(
    ref: str = "b1",
    *,
    at: datetime = NOON,
    requests: int = 10,
    size: int = 0,
    digest: str = "rows",
    nearby: tuple[str, ...] = (),
    refused: tuple[str, ...] = (),
    state: State = State.UNCONFIRMED,
) -> Batch:
    """A submission whose outcome is not known; sent at `at` by both clocks."""
    return Batch(
        ref=ref,
        name=ref,
        submission=f"s{ref}",
        submitted_at=at,
        requests=requests,
        state=state,
        digest=digest,
        attempt=Attempt(started_at=at, bytes=size, nearby=nearby, refused=refused),
    )


def listed(name: str, after: timedelta = SECOND, requests: int = 10, *, ended: bool = False) -> Remote:
    """A batch on the server, created this long after noon."""
    return Remote(
        id=f"msgbatch_{name}",
        processing_status=ProcessingStatus.ENDED if ended else ProcessingStatus.IN_PROGRESS,
        request_counts=Counts(succeeded=requests - 1, errored=1) if ended else Counts(processing=requests),
        created_at=NOON + after,
        expires_at=NOON + after + timedelta(hours=24),
    )


def found(intents: list[Batch], remotes: list[Remote], claimed: frozenset[str] = frozenset()) -> dict[str, str]:
    """Maps each ref to the short name of the batch that was found for it."""
    return {ref: one.id.removeprefix("msgbatch_") for ref, one in settle(intents, remotes, claimed).found.items()}


def several(intents: list[Batch], remotes: list[Remote]) -> dict[str, list[str]]:
    return {
        ref: [one.id.removeprefix("msgbatch_") for one in candidates]
        for ref, candidates in settle(intents, remotes, frozenset()).several.items()
    }


def test_nothing_listed_settles_nothing() -> None:
    assert settle([intent()], [], frozenset()) == settle([], [listed("a")], frozenset())


@pytest.mark.parametrize(
    ("one", "fits"),
    [
        (listed("a"), True),
        (listed("a", ended=True), True),
        (listed("a", requests=9), False),
        (listed("a", requests=11), False),
        (listed("a", -SKEW), True),
        (listed("a", -SKEW - SECOND), False),
        (listed("a", SKEW + GRACE), True),
        (listed("a", SKEW + GRACE + SECOND), False),
    ],
    ids=["just made", "ended", "smaller", "larger", "clocks apart", "before", "at the latest", "too late"],
)
def test_one_batch_is_ours_if_size_and_time_fit(one: Remote, fits: bool) -> None:
    assert found([intent()], [one]) == ({"b1": "a"} if fits else {})


def test_a_large_body_may_be_accepted_as_late_as_it_could_be_on_its_way() -> None:
    late = listed("a", SKEW + GRACE + timedelta(minutes=80))
    assert found([intent(size=240_000_000)], [late]) == {"b1": "a"}
    assert found([intent(size=24_000)], [late]) == {}


@pytest.mark.parametrize(
    "known",
    [{"nearby": ("msgbatch_a",)}, {"refused": ("msgbatch_a",)}],
    ids=["listed before the create", "looked at and refused"],
)
def test_what_is_known_to_be_others_is_no_candidate(known: dict[str, tuple[str, ...]]) -> None:
    assert found([intent(**known)], [listed("a")]) == {}  # type: ignore[arg-type]
    assert found([intent(**known)], [listed("a"), listed("b")]) == {"b1": "b"}  # type: ignore[arg-type]


def test_what_belongs_to_another_batch_of_ours_is_no_candidate() -> None:
    assert found([intent()], [listed("a")], frozenset({"msgbatch_a"})) == {}
    assert found([intent()], [listed("a"), listed("b")], frozenset({"msgbatch_a"})) == {"b1": "b"}


def test_two_that_fit_decide_nothing_and_are_both_named() -> None:
    remotes = [listed("b", 2 * SECOND), listed("a")]
    assert found([intent()], remotes) == {}
    assert several([intent()], remotes) == {"b1": ["a", "b"]}


def test_one_that_fits_two_submissions_of_other_rows_is_given_to_neither() -> None:
    intents = [intent("b1"), intent("b2", digest="other rows")]
    assert found(intents, [listed("a")]) == {}
    assert several(intents, [listed("a")]) == {"b1": ["a"], "b2": ["a"]}


def test_two_submissions_of_other_sizes_do_not_get_into_each_others_way() -> None:
    intents = [intent("b1"), intent("b2", requests=20, digest="other rows")]
    assert found(intents, [listed("a"), listed("b", requests=20)]) == {"b1": "a", "b2": "b"}


def test_the_same_ids_with_other_params_are_other_rows() -> None:
    intents = [intent("b1", size=100), intent("b2", size=101)]
    assert found(intents, [listed("a")]) == {}


def test_submissions_with_the_same_ids_share_what_fits_by_time() -> None:
    """Also files of other rows whose ids and size are the same: what is made goes to what was begun last before."""
    intents = [intent("b2", at=NOON + timedelta(minutes=5)), intent("b1")]
    remotes = [listed("new", timedelta(minutes=5, seconds=1)), listed("old")]
    assert found(intents, remotes) == {"b1": "old", "b2": "new"}
    assert found(intents, remotes[:1]) == {"b2": "new"}
    assert found(intents, remotes[1:]) == {"b1": "old"}


def test_what_the_ids_of_its_results_prove_goes_by_time_among_those_with_the_same_ids() -> None:
    first, second = intent("b1"), intent("b2", at=NOON + timedelta(seconds=10))
    assert first.attempt
    first = replace(first, attempt=replace(first.attempt, proven="msgbatch_a"))
    assert found([first, second], [listed("a", timedelta(seconds=10, milliseconds=300))]) == {"b2": "a"}
    assert found([first, second], [listed("a", timedelta(seconds=1))]) == {"b1": "a"}
    assert found([first], [listed("a", timedelta(seconds=10))]) == {"b1": "a"}


def test_the_ids_of_its_results_prove_nothing_against_other_rows_with_the_same_ids() -> None:
    """The first was never made. The second was being sent when the batch was made; both have the ids of its results."""
    first, second = intent("b1", size=70), intent("b2", at=NOON + 20 * SECOND, size=77)
    first = replace(first, attempt=replace(first.attempt, proven="msgbatch_a"))
    one = listed("a", 20 * SECOND, ended=True)
    assert found([first, second], [one]) == {"b2": "a"}
    assert found([second, first], [one]) == {"b2": "a"}
    assert found([first], [one]) == {"b1": "a"}


def test_more_candidates_than_submissions_of_the_same_rows_decide_nothing() -> None:
    intents = [intent("b1"), intent("b2")]
    remotes = [listed(name) for name in "abc"]
    assert found(intents, remotes) == {}
    assert {ref: len(names) for ref, names in several(intents, remotes).items()} == {"b1": 3, "b2": 3}


def test_what_an_older_submission_of_the_same_rows_knows_to_be_others_goes_to_the_newer() -> None:
    intents = [intent("b1", refused=("msgbatch_a",)), intent("b2")]
    assert found(intents, [listed("a")]) == {"b2": "a"}


@pytest.mark.parametrize("digest", ["rows", "other rows"])
def test_what_could_be_a_batch_that_is_being_sent_now_is_left_to_it(digest: str) -> None:
    sending = intent("b2", at=NOON + timedelta(minutes=4), digest=digest, state=State.SUBMITTING)
    early, late = listed("early"), listed("late", timedelta(minutes=4))
    assert found([intent("b1"), sending], [late]) == {}
    assert several([intent("b1"), sending], [late]) == {}
    assert found([intent("b1"), sending], [early, late]) == {"b1": "early"}


def test_the_list_is_read_back_to_the_oldest_submission() -> None:
    intents = [intent("b2", at=NOON + timedelta(hours=1)), intent("b1")]
    assert oldest_needed(intents) == NOON - SKEW
    assert oldest_needed([]) is None


def test_a_person_is_asked_once_the_api_had_long_enough() -> None:
    def over(after: timedelta, size: int = 0) -> bool:
        return given_up(intent(size=size), NOON + after, NOON + after)

    assert not over(GRACE)
    assert over(GRACE + SECOND)
    assert not over(GRACE + timedelta(seconds=59), 50_000 * 60)
    assert over(GRACE + timedelta(seconds=61), 50_000 * 60)


@pytest.mark.parametrize(
    ("ours", "apis", "over"),
    [
        (GRACE * 2, GRACE * 2, True),
        (SECOND, GRACE * 2, False),
        (SECOND, timedelta(days=365 * 7000), False),
        (GRACE * 2, SECOND, False),
        (GRACE * 2, None, True),
        (SECOND, None, False),
        (GRACE * 2, timedelta(days=-3650), True),
        (SECOND, timedelta(days=-3650), False),
        (timedelta(days=3650), SECOND, False),
    ],
)
def test_no_clock_gives_up_alone_but_where_the_other_makes_no_sense(
    ours: timedelta, apis: timedelta | None, over: bool
) -> None:
    server_time = None if apis is None else datetime(9999, 12, 31, tzinfo=UTC) if apis.days > 10**6 else NOON + apis
    assert given_up(intent(), NOON + ours, server_time) is over


def new_since(newest: timedelta, **fields: Any) -> Batch:
    """An intent before which the API's newest batch was this far from noon, whatever the Date header said."""
    one = intent(**fields)
    assert one.attempt
    return replace(one, attempt=replace(one.attempt, newest=NOON + newest))


@pytest.mark.parametrize("date_off", [timedelta(minutes=10), timedelta(minutes=-10), timedelta(days=3650)])
def test_what_is_new_since_the_create_is_found_however_far_off_the_date_was(date_off: timedelta) -> None:
    one = new_since(-timedelta(hours=1), at=NOON)
    assert one.attempt
    off = replace(one, attempt=replace(one.attempt, started_at=NOON + date_off))
    assert found([off], [listed("a"), listed("older", -timedelta(hours=2))]) == {"b1": "a"}


def test_a_new_one_of_another_time_is_not_taken_but_keeps_the_question_open() -> None:
    late = listed("late", timedelta(days=1))
    assert found([new_since(-SECOND)], [late]) == {}
    assert several([new_since(-SECOND)], [late]) == {"b1": ["late"]}
    proven = new_since(-SECOND)
    assert proven.attempt
    proven = replace(proven, attempt=replace(proven.attempt, proven="msgbatch_late"))
    assert found([proven], [late, listed("a")]) == {"b1": "late"}


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (listed("a"), None),
        (listed("a", requests=9), "it holds 9 requests, not 10"),
        (listed("a", requests=0), "it holds 0 requests"),
        (listed("a", -timedelta(days=2)), "it was made before"),
        (listed("near"), "an earlier batch"),
        (listed("claimed"), "an earlier batch"),
        (listed("theirs"), "other ids"),
    ],
)
def test_why_an_answer_is_not_about_this_batch(one: Remote, why: str | None) -> None:
    sent = intent(nearby=("msgbatch_near",), refused=("msgbatch_theirs",))
    said = why_not_it(sent, one, {"msgbatch_claimed"})
    assert (said is None) if why is None else (said is not None and why in said)
