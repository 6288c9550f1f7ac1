"""The sums of a submission of several batches count every request once, by its latest outcome."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Output, Part, Snapshot, State, Submission
from batchtui.core.batches.going_on import can_go_on
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.plan import counts, outcomes, undone
from batchtui.core.batches.remote import Counts

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)


def batch(ref: str, requests: int, state: State, said: Counts, retry_of: str = "") -> Batch:
    ended = NOW if state is State.RETRIEVED else None
    return Batch(
        ref=ref,
        name="n",
        submission="s",
        submitted_at=NOW,
        requests=requests,
        state=state,
        request_counts=said,
        retry_of=retry_of,
        ended_at=ended,
    )


def test_parts_that_ended_count_and_those_that_wait_do_not() -> None:
    parts = [
        batch("a", 4, State.RETRIEVED, Counts(succeeded=3, errored=1)),
        batch("b", 4, State.IN_PROGRESS, Counts(processing=4)),
        batch("c", 4, State.SUBMITTING, Counts()),
    ]
    waiting = [Part(ref="d", requests=2, bytes=9, digest="")]
    assert counts(parts, waiting) == Counts(processing=10, succeeded=3, errored=1)


def test_what_was_asked_again_is_no_longer_failed() -> None:
    first = batch("a", 1000, State.RETRIEVED, Counts(succeeded=850, errored=50, expired=100))
    again = batch("b", 130, State.IN_PROGRESS, Counts(processing=130), retry_of="a")
    assert counts([first, again], ()) == Counts(processing=130, succeeded=850, errored=20)
    done = batch("b", 130, State.RETRIEVED, Counts(succeeded=130), retry_of="a")
    assert counts([first, done], ()) == Counts(succeeded=980, errored=20)
    partly = batch("b", 130, State.RETRIEVED, Counts(succeeded=120, errored=10), retry_of="a")
    assert counts([first, partly], ()) == Counts(succeeded=970, errored=30)


def test_a_retry_that_says_what_it_took_counts_every_request_once_by_its_latest_attempt() -> None:
    said = Counts(succeeded=8, errored=2)
    first = replace(batch("a", 10, State.RETRIEVED, said), outcomes=Outcomes(answered=5, cut=2, paused=1, errored=2))
    took = {"cut": 2, "paused": 1}
    running = replace(batch("b", 3, State.IN_PROGRESS, Counts(processing=3), retry_of="a"), retried=took)
    assert counts([first, running], ()) == Counts(processing=3, succeeded=5, errored=2)
    assert outcomes([first, running], ()) is None

    over = replace(running, state=State.RETRIEVED, ended_at=NOW, request_counts=Counts(succeeded=3))
    over = replace(over, outcomes=Outcomes(answered=1, cut=1, paused=1))
    assert counts([first, over], ()) == said
    assert outcomes([first, over], ()) == Outcomes(answered=6, cut=1, paused=1, errored=2)

    last = replace(over, ref="c", requests=3, retried={"cut": 1, "transient": 1, "permanent": 1})
    last = replace(last, request_counts=Counts(succeeded=2, expired=1), outcomes=Outcomes(answered=2, expired=1))
    assert counts([first, over, last], ()) == Counts(succeeded=9, expired=1)
    assert outcomes([first, over, last], ()) == Outcomes(answered=8, paused=1, expired=1)

    for state in (State.REJECTED, State.GONE):
        lost = replace(running, state=state, request_counts=Counts(succeeded=3))
        assert counts([first, lost], ()) == said
        assert outcomes([first, lost], ()) == first.outcomes
    assert outcomes([over], ()) == over.outcomes, "its first batch was forgotten"


def test_a_rejected_part_has_no_request_under_way() -> None:
    assert counts([batch("a", 5, State.REJECTED, Counts())], ()) == Counts()


def test_an_output_is_due_again_once_newer_answers_are_here() -> None:
    first = replace(batch("a", 1, State.RETRIEVED, Counts(succeeded=1)), retrieved_at=NOW)
    done = Output("csv", "/out.csv", done_at=NOW + timedelta(seconds=1))
    submission = Submission(ref="s", name="n", created_at=NOW, requests=1, outputs=(done, Output("jsonl", "/o.jsonl")))
    assert undone(submission, [first]) == [1]
    again = replace(first, ref="b", retry_of="a", retrieved_at=NOW + timedelta(minutes=1))
    assert undone(submission, [first, again]) == [0, 1]


def test_what_can_go_on_is_found_without_a_look_at_all_batches_for_each_submission() -> None:
    class Looked(str):
        """A ref that counts how often it is compared."""

        times = 0

        def __hash__(self) -> int:
            Looked.times += 1
            return super().__hash__()

        def __eq__(self, other: object) -> bool:
            Looked.times += 1
            return super().__eq__(other)

    many = 200
    done = Output("csv", "/out.csv", done_at=NOW + timedelta(seconds=1))
    batches = [
        replace(batch(f"b{number}", 1, State.RETRIEVED, Counts(succeeded=1)), submission=Looked(f"s{number}"))
        for number in range(many)
    ]
    submissions = {
        f"s{number}": Submission(
            ref=Looked(f"s{number}"), name="n", created_at=NOW, requests=1, batches=(f"b{number}",), outputs=(done,)
        )
        for number in range(many)
    }
    assert not can_go_on(Snapshot(1, tuple(batches), submissions))
    assert Looked.times < many * 10
