"""Which batch a word means, and batches of the API that were not sent from here."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Snapshot, State, Submission, Trouble, newest_first
from batchtui.core.batches.find import Meant, find, is_id, meant, newest_said, told_apart
from batchtui.core.batches.remote import Counts, ProcessingStatus, Remote
from batchtui.core.desk.adopt import adoption, foreign
from batchtui.core.errors import USAGE, UsageError

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)


def batch(ref: str, name: str = "notes", batch_id: str | None = None, *, days: int = 0, whole: str = "") -> Batch:
    at = NOW + timedelta(days=days)
    whole = whole or f"s-{name}"
    return Batch(
        ref=ref, name=name, submission=whole, submitted_at=at, requests=8, state=State.IN_PROGRESS, id=batch_id
    )


def state(*batches: Batch, submissions: tuple[Submission, ...] = ()) -> Snapshot:
    return Snapshot(1, tuple(sorted(batches, key=newest_first)), {one.ref: one for one in submissions})


def sent(ref: str, days: int, *, name: str = "daily") -> Submission:
    return Submission(ref=ref, name=name, created_at=NOW + timedelta(days=days), requests=8)


FIRST = batch("b1000", "nightly", "msgbatch_01abc")
SECOND = batch("b2000", "weekly", "msgbatch_01abd")
PENDING = batch("b1234", "weekly")
EVERY = state(FIRST, SECOND, PENDING)

OLD, MIDDLE, NEW = (
    batch("b10", "daily", whole="s10", days=0),
    batch("b20", "daily", whole="s20", days=1),
    batch("b30", "daily", "msgbatch_01daily", whole="s30", days=2),
)
THREE = state(NEW, OLD, MIDDLE, submissions=(sent("s10", 0), sent("s20", 1), sent("s30", 2)))


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("msgbatch_01abc", FIRST),
        ("msgbatch_01abd", SECOND),
        ("b1000", FIRST),
        ("nightly", FIRST),
        ("b12", PENDING),
        ("b2", SECOND),
    ],
)
def test_an_id_a_ref_a_name_or_a_unique_beginning_means_one_batch(word: str, meant: Batch) -> None:
    assert find(EVERY, word) == meant


def test_a_unique_beginning_of_an_id_is_enough() -> None:
    assert find(state(FIRST, PENDING), "msgbatch_01") == FIRST


@pytest.mark.parametrize(("word", "count"), [("weekly", 2), ("msgbatch_01ab", 2), ("b1", 2), ("b", 3)])
def test_a_word_that_means_several_is_refused_with_their_names(word: str, count: int) -> None:
    with pytest.raises(UsageError, match=f"any of {count} batches") as caught:
        find(EVERY, word)
    assert "b1234" in caught.value.message or "msgbatch_01abc" in caught.value.message
    assert "by its id" in caught.value.hint


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("word", ["b1", "msgbatch_01ab"])
def test_the_beginning_of_several_ids_stays_unclear(word: str, every: bool) -> None:
    with pytest.raises(UsageError, match="any of 2 batches"):
        meant(EVERY, word, every=every)


def test_a_name_that_was_used_again_means_the_newest_submission_or_with_every_all_in_order() -> None:
    assert meant(THREE, "daily") == Meant("daily", ("s30",), 3)
    assert meant(THREE, "daily", every=True) == Meant("daily", ("s10", "s20", "s30"), 3)
    assert find(THREE, "daily") == NEW
    assert [meant(THREE, word, every=True).refs for word in ("b10", "s20", "b3")] == [("b10",), ("s20",), ("b30",)]


def test_a_later_retry_or_part_does_not_make_an_older_submission_newer() -> None:
    retry = batch("b40", "daily", whole="s10", days=9)
    part = batch("b50", "daily", whole="s20", days=9)
    again = state(OLD, MIDDLE, NEW, replace(retry, retry_of="b10"), part, submissions=tuple(THREE.submissions.values()))
    assert meant(again, "daily").refs == ("s30",)
    lost = state(*again.batches)  # even if only the batches are left
    assert meant(lost, "daily", every=True).refs == ("s10", "s20", "s30")


def test_the_newest_counts_even_if_nothing_of_it_was_sent_and_nothing_older_takes_its_place() -> None:
    held = replace(sent("s40", 3), trouble=Trouble("It waits.", "To go on: batchtui submit f --now", NOW))
    waits = state(OLD, MIDDLE, NEW, submissions=(*THREE.submissions.values(), held))
    with pytest.raises(UsageError, match="No batch of daily \\(s40\\) is here yet") as caught:
        find(waits, "daily")
    assert caught.value.hint == "It waits. To go on: batchtui submit f --now The one submitted before it is s30."


def test_it_is_said_once_which_one_is_meant_and_nothing_if_that_is_clear() -> None:
    at = f"{(NOW + timedelta(days=2)).astimezone():%Y-%m-%d %H:%M}"
    said = newest_said(THREE, meant(THREE, "daily"), more="More.")
    assert said == f"daily was submitted 3 times; this is the newest, of {at} (msgbatch_01daily). More."
    for word, every in (("daily", True), ("b10", False), ("s10", False)):
        assert newest_said(THREE, meant(THREE, word, every=every)) == ""
    assert newest_said(EVERY, meant(EVERY, "nightly")) == ""


def test_what_a_hint_repeats_means_the_same_later() -> None:
    assert meant(THREE, "daily").again == "s30"
    assert meant(THREE, "daily", every=True).again == "daily --every"
    assert meant(EVERY, "nightly", every=True).again == "nightly"


def test_a_question_tells_apart_what_has_one_name() -> None:
    assert told_apart(EVERY, ["b1000"]) == told_apart(EVERY, ["s-weekly"]) == ""
    assert told_apart(THREE, ["s10"]).startswith("daily of ")
    assert told_apart(THREE, ["s10"]).endswith("(b10)")
    assert told_apart(THREE, ["b30"]).endswith("(msgbatch_01daily)")
    several = told_apart(THREE, ["s10", "s20"])
    assert [several.count(one) for one in ("daily of", "(b10) and daily", "(b20)")] == [2, 1, 1]
    hostile = state(batch("b1", "a\x1b[2J", whole="s1"), batch("b2", "a\x1b[2J", whole="s2"))
    assert "\x1b" not in told_apart(hostile, ["s1"])


@pytest.mark.parametrize("word", ["", "night", "01abc", "MSGBATCH_01ABC", "msgbatch_01abcd", "*"])
def test_a_word_that_means_none_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="No batch is called") as caught:
        find(EVERY, word)
    assert caught.value.exit_code == USAGE


def test_an_exact_name_goes_before_a_beginning_and_an_exact_id_before_a_name() -> None:
    assert find(state(FIRST, batch("b9", "b1000")), "b1000") == FIRST
    assert find(state(FIRST, batch("b9", "msgbatch_01")), "msgbatch_01").ref == "b9"


def test_a_word_is_repeated_inert() -> None:
    with pytest.raises(UsageError) as caught:
        find(EVERY, "\x1b[31mred\nline")
    assert caught.value.message == "No batch is called \ufffd[31mred line."


@pytest.mark.parametrize("word", ["msgbatch_01abc", "msgbatch_a-b_c"])
def test_a_word_of_the_right_form_can_be_an_id(word: str) -> None:
    assert is_id(word)


@pytest.mark.parametrize(
    "word", ["", "msgbatch_", "nightly", "msgbatch_a/b", "msgbatch_a\n", "msgbatch_..", "xmsgbatch_a", "msgbatch_é"]
)
def test_nothing_else_can(word: str) -> None:
    assert not is_id(word)


REMOTE = Remote(
    id="msgbatch_01XyZ98765432",
    processing_status=ProcessingStatus.ENDED,
    request_counts=Counts(succeeded=3, expired=1),
    created_at=NOW - timedelta(hours=2),
    expires_at=NOW + timedelta(hours=22),
    ended_at=NOW,
)


def test_a_foreign_batch_has_all_that_the_api_says() -> None:
    made = foreign(REMOTE)
    assert (made.id, made.state, made.requests) == (REMOTE.id, State.ENDED, 4)
    assert (made.request_counts, made.created_at, made.ended_at) == (REMOTE.request_counts, REMOTE.created_at, NOW)
    assert made.submitted_at == REMOTE.created_at
    assert made.name.endswith("98765432")


def test_its_submission_says_that_it_was_adopted() -> None:
    made = foreign(REMOTE)
    sent = adoption(made)
    assert (sent.ref, sent.batches, sent.adopted, sent.requests) == (made.submission, (made.ref,), True, 4)
