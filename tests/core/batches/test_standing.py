"""Which run tells what: that answers are unfit is said by the run that finds it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batchtui.core import errors
from batchtui.core.batches.batch import Batch, Output, Snapshot, State, Submission, Trouble
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.standing import found_unfit, standing
from batchtui.core.desk.cycle import Cycle
from batchtui.tui.cli.once import exit_code

AT = datetime(2026, 11, 26, tzinfo=UTC)


def known(outcomes: Outcomes | None) -> Snapshot:
    state = State.RETRIEVED if outcomes else State.IN_PROGRESS
    batch = Batch(
        ref="b1", id="m1", name="n", submission="s", submitted_at=AT, requests=4, state=state, outcomes=outcomes
    )
    return Snapshot(1, (batch,))


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (Outcomes(answered=4), Outcomes(answered=3, unfit=1), True),  # an output that ran only now
        (Outcomes(answered=3, unfit=1), Outcomes(answered=3, unfit=1), False),
        (Outcomes(answered=3, unfit=1), Outcomes(answered=4), False),
        (None, Outcomes(answered=3, unfit=1), False),  # it came in this run: that decides
        (Outcomes(answered=3, cut=1), Outcomes(answered=3, cut=1), False),
    ],
)
def test_a_run_that_finds_answers_unfit_ends_with_3(before: Outcomes | None, after: Outcomes, found: bool) -> None:
    assert found_unfit(known(before), known(after)) is found
    code = exit_code(Cycle(), known(after), known(before))
    assert code == (errors.SOME_FAILED if found else errors.OK)
    assert exit_code(Cycle(retrieved=("m1",)), known(after), known(before)) == (3 if after.unanswered else 0)


def test_answers_that_met_no_row_are_said_whatever_else_holds_the_job_up() -> None:
    [batch] = known(Outcomes(answered=3, errored=1)).batches
    output = Output("sqlite", "/x.db", {"table": "news"}, AT, 3, unmatched=2, failed_path="/x.failed")
    waits = Trouble("1 request did not succeed.", "Retry it.", AT, "unanswered")
    whole = Submission(
        ref="s", name="n", created_at=AT, requests=4, batches=("b1",), outputs=(output,), trouble=waits, held_at=AT
    )
    said = list(standing(Snapshot(1, (batch,), {"s": whole})))
    assert [one.error.code for one in said] == ["unanswered", "rows_unmatched"]
