"""One row for a whole submission: it is under way only while something of it continues automatically."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Part, Snapshot, State, Submission, Trouble
from batchtui.core.batches.remote import Counts
from batchtui.core.batches.submissions import batches_for, go_on_with, rolled_up, whole, word_for
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.errors import UsageError

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
HELD = Trouble("2 requests of notes did not succeed, so reports was not started.", "Retry them.", NOW)
PART = Part(ref="d", requests=2, bytes=9, digest="")


def submission(*, waiting: tuple[Part, ...] = (), trouble: Trouble | None = None, stopped: bool = False) -> Submission:
    return Submission(
        ref="s",
        name="notes",
        created_at=NOW,
        requests=8,
        batches=("a", "b"),
        waiting=waiting,
        steps=("reports",),
        trouble=trouble,
        stopped=stopped,
    )


def test_the_row_of_a_whole_has_no_copy_at_the_api_once_no_part_has_one() -> None:
    first, second = (replace(one, id=f"msgbatch_{one.ref}") for one in parts())
    deleted = replace(first, remote_deleted_at=NOW)
    assert rolled_up(submission(), [deleted, second]).remote_deleted_at is None
    last = replace(second, remote_deleted_at=NOW.replace(hour=15))
    assert rolled_up(submission(), [deleted, last]).remote_deleted_at == NOW.replace(hour=15)
    refused = replace(second, id=None, state=State.REJECTED)
    assert rolled_up(submission(), [deleted, refused]).remote_deleted_at == NOW
    assert rolled_up(submission(), parts()).remote_deleted_at is None


def parts(state: State = State.RETRIEVED) -> list[Batch]:
    counts = Counts(succeeded=3, errored=1)
    return [
        Batch(ref=ref, name="notes", submission="s", submitted_at=NOW, requests=4, state=state, request_counts=counts)
        for ref in ("a", "b")
    ]


@pytest.mark.parametrize(
    ("of", "state"),
    [
        (submission(), State.IN_PROGRESS),
        (submission(waiting=(PART,)), State.IN_PROGRESS),
        (submission(waiting=(PART,), trouble=HELD), State.IN_PROGRESS),
        (submission(trouble=HELD), State.RETRIEVED),
        (submission(waiting=(PART,), trouble=HELD, stopped=True), State.RETRIEVED),
    ],
)
def test_what_waits_for_a_person_is_not_under_way(of: Submission, state: State) -> None:
    assert rolled_up(of, parts()).state is state


def test_what_is_held_back_by_failed_requests_can_be_retried() -> None:
    assert why_not(Verb.RETRY, rolled_up(submission(trouble=HELD), parts())) is None
    running = rolled_up(submission(trouble=HELD), parts(State.IN_PROGRESS))
    assert (running.state, bool(why_not(Verb.RETRY, running))) == (State.IN_PROGRESS, True)


def test_a_submission_of_which_no_batch_is_there_means_nothing_yet() -> None:
    alone = replace(submission(waiting=(PART,)), batches=())
    with pytest.raises(UsageError, match="No batch"):
        batches_for(Snapshot(1, (), {"s": alone}), "s")


@pytest.mark.parametrize(("name", "word"), [("notes", "notes"), ("my notes", "'my notes'"), ("--yes", "s")])
def test_the_word_for_all_of_it_can_be_typed_as_it_is_said(name: str, word: str) -> None:
    whole = replace(submission(), name=name)
    known = Snapshot(1, tuple(replace(one, name=name) for one in parts()), {"s": whole})
    assert word_for(known, whole) == word


def test_a_batch_that_its_submission_lost_is_still_meant_by_its_name() -> None:
    lost = replace(parts()[0], ref="elsewhere")
    snapshot = Snapshot(1, (lost,), {"s": submission()})
    assert whole(snapshot, "notes") == ([lost], submission())


def test_the_word_for_one_of_several_of_a_name_is_its_ref() -> None:
    other = replace(submission(), ref="t", batches=("c",), created_at=NOW.replace(day=21))
    third = replace(parts()[0], ref="c", submission="t")
    known = Snapshot(1, (*parts(), third), {"t": other, "s": submission()})
    assert (word_for(known, submission()), word_for(known, other)) == ("s", "t")
    assert whole(known, "notes") == (parts(), submission())
    assert whole(known, "t") == ([third], other)
    assert (batches_for(known, "notes"), batches_for(known, "t")) == (parts(), [third])


def test_what_is_kept_for_later_says_the_ref_of_a_submission() -> None:
    assert go_on_with(submission()) == "batchtui retrieve s"
