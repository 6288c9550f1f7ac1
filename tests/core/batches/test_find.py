"""Which batch a word means, and batches of the API that were not sent from here."""

from datetime import UTC, datetime, timedelta

import pytest

from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.find import find, is_id
from batchtui.core.batches.remote import Counts, ProcessingStatus, Remote
from batchtui.core.desk.adopt import adoption, foreign
from batchtui.core.errors import USAGE, UsageError

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)


def batch(ref: str, name: str = "notes", batch_id: str | None = None) -> Batch:
    return Batch(
        ref=ref, name=name, submission="s1", submitted_at=NOW, requests=8, state=State.IN_PROGRESS, id=batch_id
    )


FIRST = batch("b1000", "nightly", "msgbatch_01abc")
SECOND = batch("b2000", "weekly", "msgbatch_01abd")
PENDING = batch("b1234", "weekly")
EVERY = (FIRST, SECOND, PENDING)


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
    assert find((FIRST, PENDING), "msgbatch_01") == FIRST


@pytest.mark.parametrize(("word", "count"), [("weekly", 2), ("msgbatch_01ab", 2), ("b1", 2), ("b", 3)])
def test_a_word_that_means_several_is_refused_with_their_names(word: str, count: int) -> None:
    with pytest.raises(UsageError, match=f"any of {count} batches") as caught:
        find(EVERY, word)
    assert "b1234" in caught.value.message or "msgbatch_01abc" in caught.value.message
    assert "by its id" in caught.value.hint


@pytest.mark.parametrize("word", ["", "night", "01abc", "MSGBATCH_01ABC", "msgbatch_01abcd", "*"])
def test_a_word_that_means_none_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="No batch is called") as caught:
        find(EVERY, word)
    assert caught.value.exit_code == USAGE


def test_an_exact_name_goes_before_a_beginning_and_an_exact_id_before_a_name() -> None:
    named = batch("b9", "b1000")
    assert find((FIRST, named), "b1000") == FIRST
    assert find((FIRST, batch("b9", "msgbatch_01")), "msgbatch_01").ref == "b9"


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
