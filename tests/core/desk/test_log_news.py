"""What a person must know is an ERROR in the log, once, with what to do; and an INFO when it is over."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Output, Snapshot, State, Submission, Trouble
from batchtui.core.desk.log_news import news
from batchtui.core.desk.outages import failed, words, worked
from batchtui.core.errors import NoKey, OutcomeUnknown, Unreachable
from batchtui.core.state.looks import Looks, Outage

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
OFFLINE = Unreachable("The API could not be reached: refused.", "The next poll tries again.")


def batch(state: State = State.IN_PROGRESS, trouble: Trouble | None = None, **fields: object) -> Batch:
    return Batch(
        ref="b1",
        name="news",
        submission="s1",
        submitted_at=NOW,
        requests=2,
        state=state,
        id="msgbatch_1" if state is not State.UNCONFIRMED else None,
        trouble=trouble,
        **fields,  # type: ignore[arg-type]
    )


def whole(**fields: object) -> Submission:
    return Submission(ref="s1", name="news", created_at=NOW, requests=2, batches=("b1",), **fields)  # type: ignore[arg-type]


def said(before: Batch, after: Batch, was: Submission | None = None, now: Submission | None = None) -> list[str]:
    first = Snapshot(1, (before,), {"s1": was or whole()})
    second = Snapshot(2, (after,), {"s1": now or whole()})
    return [f"{logging.getLevelName(level)} {text}" for level, text in news(first, second)]


def test_trouble_is_said_once_with_what_to_do_and_again_only_if_it_is_another_one() -> None:
    one = Trouble("It does not fit.", "Do this.", NOW)
    assert said(batch(), batch(trouble=one)) == ["ERROR msgbatch_1 (news): It does not fit. Do this."]
    assert said(batch(trouble=one), batch(trouble=replace(one, at=NOW + timedelta(hours=1)))) == []
    assert said(batch(trouble=one), batch(trouble=replace(one, message="Worse."))) != []
    assert said(batch(trouble=one), batch()) == ["INFO msgbatch_1 (news): well again"]


def test_what_is_out_of_reach_in_other_words_each_time_is_the_same() -> None:
    first, second = (Trouble(f"Broke after {n} bytes.", "", NOW, Unreachable.code) for n in (1, 2))
    assert said(batch(trouble=first), batch(trouble=second)) == []


def test_a_trouble_that_stands_on_the_batch_and_on_its_submission_is_said_once() -> None:
    one = Trouble("No folder.", "Make it.", NOW, "output_failed")
    assert said(batch(), batch(trouble=one), None, whole(trouble=one)) == ["ERROR news (s1): No folder. Make it."]


def test_rows_that_were_not_applied_are_said_with_the_file_that_lists_them() -> None:
    done = Output("sqlite", "/x.db", {"table": "t"}, done_at=NOW, rows=5, unmatched=2, failed_path="/x.failed")
    (line,) = said(batch(), batch(), None, whole(outputs=(done,)))
    assert line.startswith("ERROR news (s1): 2 answers did not meet one row of t: not applied. /x.failed lists them.")


def test_an_unknown_outcome_is_said_when_it_begins_and_not_with_each_look_for_it() -> None:
    unknown = Trouble("It is not known whether.", "Wait.", NOW, OutcomeUnknown.code)
    searched = Trouble("The API's list does not show it yet.", "", NOW)
    assert [one.split()[0] for one in said(batch(), batch(State.UNCONFIRMED, unknown))] == ["ERROR"]
    assert said(batch(State.UNCONFIRMED, searched), batch(State.UNCONFIRMED, replace(searched, at=NOW))) == []


def test_results_that_are_gone_are_said() -> None:
    (line,) = said(batch(State.ENDED), batch(State.GONE))
    assert line == "ERROR msgbatch_1 (news): its results are no longer available at the API."


def test_what_runs_without_a_batch_and_waits_for_its_user_is_no_error() -> None:
    waits = Trouble("It runs without a batch and is not finished.", "To go on: ...", NOW)
    assert said(batch(), batch(), None, whole(urgent=True, trouble=waits)) == []


def test_names_and_messages_from_outside_cannot_write_lines_of_their_own() -> None:
    evil = "x\n2026-01-01T00:00:00+0000 ERROR 1 y\x1b[31m"
    (line,) = said(replace(batch(), name=evil), replace(batch(), name=evil, trouble=Trouble(evil, evil, NOW)))
    assert "\n" not in line
    assert "\x1b" not in line


def test_an_outage_is_said_once_counted_and_said_when_it_is_over() -> None:
    outage, line = failed(None, OFFLINE, NOW)
    assert line
    assert (line.level, line.text) == (
        logging.ERROR,
        "looks fail: The API could not be reached: refused. The next poll tries again.",
    )
    for _ in range(35):
        outage, line = failed(outage, OFFLINE, NOW)
        assert line is None
    assert words(outage, NOW + timedelta(hours=3)) == "unreachable for 3h 00m, 36 looks"
    over, line = worked(outage, NOW + timedelta(hours=3))
    assert line
    assert (line.level, line.text) == (logging.INFO, "looks work again: unreachable for 3h 00m, 36 looks")
    assert worked(over, NOW) == (over, None)


def test_what_fails_again_soon_is_a_warning_and_another_thing_is_news() -> None:
    outage, _ = failed(None, OFFLINE, NOW)
    over, _ = worked(outage, NOW + timedelta(minutes=1))
    levels = []
    for minutes in (5, 55, 70):
        again, line = failed(over, OFFLINE, NOW + timedelta(minutes=minutes))
        assert line
        levels.append(line.level)
        over, _ = worked(again, NOW + timedelta(minutes=minutes + 1))
    assert levels == [logging.WARNING, logging.WARNING, logging.ERROR]
    _, line = failed(outage, NoKey("The API refused the key.", "Set a valid key."), NOW)
    assert line
    assert line.level == logging.ERROR


def test_a_look_that_is_due_later_is_waited_for_unless_a_clock_was_set() -> None:
    looks = Looks(tried_at=NOW - timedelta(seconds=10), next_at=NOW + timedelta(seconds=200))
    assert looks.due_in(NOW, 900.0) == 200.0
    assert looks.due_in(NOW, 100.0) == 0.0, "an interval that was made shorter holds at once"
    assert looks.due_in(NOW + timedelta(days=400), 900.0) == 0.0
    assert looks.due_in(NOW - timedelta(days=400), 900.0) == 0.0
    assert Looks().due_in(NOW, 900.0) == 0.0
    assert Outage(code="x", message="y", since=NOW).looks == 1
