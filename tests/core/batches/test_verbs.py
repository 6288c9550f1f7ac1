"""What each state of a batch allows; a refusal says why."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State, Trouble
from batchtui.core.batches.verbs import Verb, no_copy, why_not, why_not_forced

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)

ALLOWED = {
    State.SUBMITTING: {Verb.OPEN},
    State.UNCONFIRMED: {Verb.OPEN, Verb.FORGET},
    State.REJECTED: {Verb.OPEN, Verb.RETRY, Verb.FORGET},
    State.IN_PROGRESS: {Verb.OPEN, Verb.CANCEL},
    State.CANCELING: {Verb.OPEN},
    State.ENDED: {Verb.OPEN, Verb.RETRIEVE, Verb.FORGET},
    State.RETRIEVED: {Verb.OPEN, Verb.RETRIEVE, Verb.EXPORT, Verb.FORGET},
    State.GONE: {Verb.OPEN, Verb.FORGET},
}


def batch(state: State) -> Batch:
    return Batch(ref="b1", name="notes", submission="s1", submitted_at=NOW, requests=8, state=state)


@pytest.mark.parametrize("state", State)
def test_a_state_allows_these_verbs_and_no_others(state: State) -> None:
    assert {verb for verb in Verb if why_not(verb, batch(state)) is None} == ALLOWED[state]


SETTLED = {State.ENDED, State.RETRIEVED, State.GONE}


@pytest.mark.parametrize("state", State)
def test_the_copy_of_what_has_ended_can_go_and_that_of_what_is_here_without_force(state: State) -> None:
    unknown = state in (State.SUBMITTING, State.UNCONFIRMED, State.REJECTED)
    one = replace(batch(state), id=None if unknown else "msgbatch_1")
    assert (why_not(Verb.DELETE, one) is None) == (state is State.RETRIEVED)
    assert (why_not_forced(one) is None) == (state in SETTLED)
    assert (no_copy(one) is None) == (state is not State.REJECTED)
    for never in (replace(one, doubtful=True), replace(one, remote_deleted_at=NOW), replace(one, id=None)):
        assert why_not(Verb.DELETE, never)
        assert why_not_forced(never)


def test_the_row_of_a_whole_submission_has_no_id_and_can_be_deleted() -> None:
    row = replace(batch(State.RETRIEVED), ref="s1")
    assert row.is_whole
    assert why_not(Verb.DELETE, row) is None
    assert why_not(Verb.DELETE, replace(row, remote_deleted_at=NOW))
    assert why_not(Verb.DELETE, replace(row, state=State.IN_PROGRESS)) == (
        "It is still running, and the API deletes a batch only once it has ended: cancel it first."
    )


def test_results_that_were_deleted_at_the_api_before_they_were_here_say_so() -> None:
    reason = why_not(Verb.RETRIEVE, replace(batch(State.GONE), remote_deleted_at=NOW))
    assert reason == "The API's copy was deleted before its results were here."


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("verb", Verb)
def test_a_refusal_is_a_whole_sentence(verb: Verb, state: State) -> None:
    reason = why_not(verb, batch(state))
    assert reason is None or (reason[0].isupper() and reason.endswith("."))


@pytest.mark.parametrize(
    ("verb", "state", "words"),
    [
        (Verb.RETRIEVE, State.IN_PROGRESS, "only when the whole batch has ended"),
        (Verb.RETRIEVE, State.REJECTED, "refused"),
        (Verb.RETRIEVE, State.GONE, "29 days"),
        (Verb.RETRIEVE, State.UNCONFIRMED, "not known whether"),
        (Verb.EXPORT, State.ENDED, "retrieve it first"),
        (Verb.EXPORT, State.CANCELING, "only when the whole batch has ended"),
        (Verb.CANCEL, State.CANCELING, "already"),
        (Verb.CANCEL, State.RETRIEVED, "nothing left to cancel"),
        (Verb.CANCEL, State.SUBMITTING, "not known whether"),
        (Verb.FORGET, State.IN_PROGRESS, "cancel it first"),
        (Verb.FORGET, State.CANCELING, "once it has ended"),
        (Verb.FORGET, State.SUBMITTING, "not known whether"),
    ],
)
def test_the_reason_names_the_state_of_this_batch(verb: Verb, state: State, words: str) -> None:
    assert words in (why_not(verb, batch(state)) or "")


def test_a_batch_that_may_be_somebody_elses_is_not_canceled() -> None:
    mine = batch(State.IN_PROGRESS)
    assert why_not(Verb.CANCEL, mine) is None
    assert "somebody else's" in (why_not(Verb.CANCEL, replace(mine, doubtful=True)) or "")
    assert "somebody else's" in (why_not(Verb.FORGET, replace(mine, doubtful=True)) or "")


def test_a_batch_that_the_api_does_not_show_any_more_can_be_forgotten() -> None:
    lost = replace(batch(State.IN_PROGRESS), trouble=Trouble("The API does not know it.", "", NOW))
    assert why_not(Verb.FORGET, lost) is None
    assert why_not(Verb.FORGET, replace(lost, trouble=None)) is not None
