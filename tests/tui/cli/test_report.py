"""Batches as exact JSON, and as text that cannot affect a terminal."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Attempt, Batch, Cost, Output, State, Submission, Trouble
from batchtui.core.batches.price import Tokens, Usage
from batchtui.core.batches.remote import Counts, ProcessingStatus
from batchtui.core.desk.cycle import Cycle
from batchtui.core.errors import BatchtuiError, Failure
from batchtui.core.requests.check import Checked
from batchtui.core.requests.problems import Problem
from batchtui.core.results.summary import Summary
from batchtui.core.results.verify import ErrorGroup
from batchtui.core.state.poller import Poller
from batchtui.tui.cli import report

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
ID = "msgbatch_01aa"
EVIL = "\x1b]0;x\x07\x1b[31m[bold]red[/]\r\n\u202egnp\x9b1m\x00"

NEW = Batch(ref="b1", name="notes", submission="s1", submitted_at=NOW, requests=1500, state=State.SUBMITTING)


def batch(**fields: Any) -> Batch:
    full = {
        "state": State.RETRIEVED,
        "id": ID,
        "processing_status": ProcessingStatus.ENDED,
        "request_counts": Counts(succeeded=1400, errored=60, canceled=30, expired=10),
        "created_at": NOW - timedelta(hours=2),
        "expires_at": NOW + timedelta(hours=22),
        "ended_at": NOW - timedelta(hours=1),
        "results_path": "/home/me/results/msgbatch_01aa.jsonl",
        "retrieved_at": NOW,
        "cost": Cost(1.5, 1.25, 1.25, 2.5),
        "outputs": (Output("csv", "/out.csv", done_at=NOW, rows=1500),),
    }
    return Batch(
        **{"ref": "b1", "name": "notes", "submission": "s1", "submitted_at": NOW, "requests": 1500} | full | fields
    )


def summary(**fields: Any) -> Summary:
    usual: dict[str, Any] = {
        "batch_id": ID,
        "name": "notes",
        "requests": 1500,
        "counts": Counts(succeeded=1400, errored=60, canceled=30, expired=10),
        "sha256": "f" * 64,
        "bytes": 1000,
        "verified_at": NOW,
        "errors": (ErrorGroup("invalid_request_error", 60, "too long"),),
        "stop_reasons": {"end_turn": 1400},
        "usage": (Usage("claude-haiku-5-5", Tokens(1000, 2000), 1400),),
        "actual_usd": 1.25,
        "saved_usd": 1.25,
    }
    return Summary(**{**usual, **fields})


def harmless(text: str) -> bool:
    return not any(unicodedata.category(one) in ("Cc", "Cf") for one in text if one != "\n")


# JSON


def test_a_batch_has_these_fields_and_no_others() -> None:
    assert report.batch_json(batch(trouble=Trouble("It failed.", "Wait.", NOW))) == {
        "id": ID,
        "ref": "b1",
        "name": "notes",
        "state": "retrieved",
        "processing_status": "ended",
        "requests": 1500,
        "request_counts": {"processing": 0, "succeeded": 1400, "errored": 60, "canceled": 30, "expired": 10},
        "outcomes": None,
        "submitted_at": "2026-11-22T13:05:00+00:00",
        "created_at": "2026-11-22T11:05:00+00:00",
        "ended_at": "2026-11-22T12:05:00+00:00",
        "expires_at": "2026-11-23T11:05:00+00:00",
        "results_path": "/home/me/results/msgbatch_01aa.jsonl",
        "retrieved_at": "2026-11-22T13:05:00+00:00",
        "remote_deleted_at": None,
        "trouble": {"message": "It failed.", "hint": "Wait.", "at": "2026-11-22T13:05:00+00:00"},
        "cost": {"estimated_usd": 1.5, "max_usd": 2.5, "actual_usd": 1.25, "saved_usd": 1.25},
        "betas": [],
        "outputs": [{"kind": "csv", "path": "/out.csv", "rows": 1500, "done_at": "2026-11-22T13:05:00+00:00"}],
    }


def test_what_is_not_known_is_null_and_never_left_out_or_zero() -> None:
    blank = report.batch_json(NEW)
    assert blank.keys() == report.batch_json(batch()).keys()
    assert {name for name, value in blank.items() if value is None} == {
        "id",
        "processing_status",
        "created_at",
        "ended_at",
        "expires_at",
        "outcomes",
        "results_path",
        "retrieved_at",
        "remote_deleted_at",
        "trouble",
    }
    assert blank["cost"] == {"estimated_usd": None, "max_usd": None, "actual_usd": None, "saved_usd": None}
    assert blank["outputs"] == []


@pytest.mark.parametrize("state", State)
def test_every_state_goes_by_its_own_name(state: State) -> None:
    promised = ["submitting", "unconfirmed", "rejected", "in_progress", "canceling", "ended", "retrieved", "gone"]
    assert report.batch_json(batch(state=state))["state"] == state.value
    assert [one.value for one in State] == promised


def test_a_batch_that_only_the_server_knows_has_no_ref() -> None:
    assert report.batch_json(batch(submission=""))["ref"] is None


def test_the_object_begins_with_its_schema_and_is_ascii() -> None:
    text = report.dumps({"batches": [report.batch_json(batch(name=f"é{EVIL}"))]})
    assert text.isascii()
    assert harmless(text)
    read = json.loads(text)
    assert next(iter(read)) == "schema"
    assert read["schema"] == 1
    assert read["batches"][0]["name"] == f"é{EVIL}"


def test_a_name_that_is_no_text_is_still_json() -> None:
    assert json.loads(report.dumps({"name": "caf\udce9"}))["name"] == "caf\udce9"


def test_once_has_these_fields_and_names_batches_by_what_people_know() -> None:
    unknown = batch(ref="b2", id=None, state=State.UNCONFIRMED)
    cycle = Cycle(
        retrieved=(ID,),
        submitted=("msgbatch_01bb",),
        errors=(
            Failure("b1", BatchtuiError("one", "do")),
            Failure("b2", BatchtuiError("two", "")),
            Failure(None, BatchtuiError("three", "")),
            Failure("b9", BatchtuiError("four", "")),
        ),
        api_calls=3,
    )
    said = report.cycle_json(cycle, (batch(), unknown))
    assert list(said) == ["batches", "retrieved", "submitted", "errors", "api_calls", "polled_by"]
    assert [one["id"] for one in said["batches"]] == [ID, None]
    assert (said["retrieved"], said["submitted"], said["api_calls"]) == ([ID], ["msgbatch_01bb"], 3)
    assert said["errors"] == [
        {"batch": ID, "code": "failed", "message": "one", "hint": "do"},
        {"batch": "b2", "code": "failed", "message": "two", "hint": ""},
        {"batch": None, "code": "failed", "message": "three", "hint": ""},
        {"batch": "b9", "code": "failed", "message": "four", "hint": ""},
    ]
    assert said["polled_by"] is None


def test_who_polls_is_an_object() -> None:
    poller = Poller(pid=7, host="here", command="batchtui", since=NOW, looked_at=NOW)
    assert report.cycle_json(Cycle(polled_by=poller), ())["polled_by"] == {
        "pid": 7,
        "host": "here",
        "command": "batchtui",
        "since": "2026-11-22T13:05:00+00:00",
        "looked_at": "2026-11-22T13:05:00+00:00",
        "next_at": None,
    }


def test_an_error_says_what_happened_and_what_to_do() -> None:
    error = BatchtuiError("It failed.", "Wait.")
    assert report.error_json(error, ID) == {"batch": ID, "code": "failed", "message": "It failed.", "hint": "Wait."}
    assert report.error_json(error)["batch"] is None


def test_the_details_add_the_submission_and_the_summary() -> None:
    sent = Submission(
        ref="s1", name="notes", created_at=NOW, requests=1500, input="/in.jsonl", sha256="aa", bytes=9, models=("m",)
    )
    said = report.details_json(batch(), sent, summary())
    assert said["submission"] == {
        "ref": "s1",
        "input": "/in.jsonl",
        "sha256": "aa",
        "bytes": 9,
        "models": ["m"],
        "adopted": False,
        "deadline": None,
    }
    assert said["summary"]["sha256"] == "f" * 64
    assert said["summary"]["verified_at"] == "2026-11-22T13:05:00+00:00"
    assert said["summary"]["errors"] == [
        {"type": "invalid_request_error", "count": 60, "example": "too long", "request_id": ""}
    ]
    assert json.loads(report.dumps(said))
    bare = report.details_json(NEW, None, None)
    assert (bare["submission"], bare["summary"]) == (None, None)


# Text


def test_a_line_says_name_id_state_counts_time_and_cost() -> None:
    assert report.line(batch(), NOW) == "notes · msgbatch_01aa · retrieved · 1,400 of 1,500 · took 1h 00m · $1.25"


def test_a_line_of_a_running_batch_claims_no_progress_that_was_not_given() -> None:
    running = batch(
        state=State.IN_PROGRESS, request_counts=Counts(processing=1500), ended_at=None, cost=Cost(), outputs=()
    )
    assert report.line(running, NOW) == "notes · msgbatch_01aa · in progress · 1,500 · for 2h 00m"
    moving = batch(state=State.IN_PROGRESS, request_counts=Counts(processing=1000, succeeded=500), ended_at=None)
    assert "500 of 1,500" in report.line(moving, NOW)


def test_a_line_tells_what_is_wrong_below() -> None:
    wrong = batch(trouble=Trouble("It failed\nbadly.", "Wait.", NOW))
    assert report.line(wrong, NOW).splitlines()[1] == "    It failed badly."


def test_a_clock_that_is_behind_makes_no_age_negative() -> None:
    assert (
        "  0s  " in report.table([batch(id="msgbatch_1", created_at=NOW + timedelta(minutes=10))], NOW).split("\n")[1]
    )


def test_a_table_has_a_heading_and_a_row_a_batch_in_straight_columns() -> None:
    text = report.table([batch(), NEW], NOW)
    head, first, second = text.splitlines()
    assert head.split() == ["NAME", "ID", "STATE", "REQUESTS", "FAILED", "AGE", "COST"]
    assert first.split() == ["notes", ID, "retrieved", "1,400", "of", "1,500", "100", "2h", "00m", "$1.25"]
    assert second.split() == ["notes", "b1", "submitting", "1,500", "0s", "–"]
    assert first.index("retrieved") == second.index("submitting") == head.index("STATE")
    assert head.index("COST") + len("COST") == len(first) == len(second)


def test_the_details_name_all_that_is_known() -> None:
    sent = Submission(ref="s1", name="notes", created_at=NOW, requests=1500, input="/in.jsonl", bytes=2000)
    text = report.details(batch(models=("claude-haiku-5-5",)), sent, summary(), NOW)
    rows = dict(line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    assert rows["id"] == ID
    assert rows["counts"] == "0 processing, 1,400 succeeded, 60 errored, 30 canceled, 10 expired"
    assert rows["cost"] == "$1.25, $1.25 saved"
    assert rows["error"] == "invalid_request_error: 60, e.g. too long"
    assert rows["output"] == "csv /out.csv, 1,500 rows"
    assert rows["tokens"] == "claude-haiku-5-5: 1,000 in, 2,000 out"
    assert rows["results"] == "/home/me/results/msgbatch_01aa.jsonl"
    assert "28d 22h from now" in text
    assert rows["size"] == "2.0 kB"


def test_results_that_the_api_no_longer_keeps_are_not_kept_until_some_time() -> None:
    assert "kept until" not in report.details(batch(), None, None, NOW + timedelta(days=40))


def test_nothing_in_the_text_can_steer_a_terminal_or_pose_as_another_line() -> None:
    evil = batch(
        name=EVIL,
        models=(EVIL,),
        results_path=EVIL,
        outputs=(Output("csv", EVIL, rows=1),),
        trouble=Trouble(EVIL, EVIL, NOW),
    )
    sent = Submission(ref="s1", name=EVIL, created_at=NOW, requests=1, input=EVIL)
    hostile = summary(
        errors=(ErrorGroup(EVIL, 1, EVIL),), stop_reasons={EVIL: 1}, usage=(Usage(EVIL, Tokens(1, 1)),), sha256=EVIL
    )
    for text in (
        report.line(evil, NOW),
        report.table([evil], NOW),
        report.details(evil, sent, hostile, NOW),
    ):
        assert harmless(text)
        assert "[bold]red[/]" in text
    assert len(report.table([evil], NOW).splitlines()) == 2
    assert len(report.line(evil, NOW).splitlines()) == 2
    plain = report.details(batch(models=("m",), outputs=(Output("csv", "o", rows=1),)), sent, summary(), NOW)
    assert len(report.details(evil, sent, hostile, NOW).splitlines()) == len(plain.splitlines()) + 2


def checked(*problems: Problem, count: int | None = None, kinds: dict[str, int] | None = None) -> Checked:
    return Checked(
        path=Path("in.jsonl"),
        requests=9,
        bytes=9,
        sha256="",
        digest="",
        models=(),
        problems=problems,
        problem_count=count if count is not None else len(problems),
        kinds=kinds or {},
    )


def test_a_problem_has_its_place_its_words_and_its_hint() -> None:
    text = report.problems(
        checked(
            Problem(1200, "params.model", "It is missing.", "Add it.", "missing", "request 1200"),
            Problem(None, "", "Empty.", "", "e"),
        )
    )
    assert text.splitlines() == ["request 1200, params.model: It is missing.", "    Add it.", "file: Empty."]


def test_more_problems_than_are_kept_are_counted_by_kind() -> None:
    text = report.problems(checked(Problem(1, "", "No.", "", "bad"), count=2500, kinds={"bad": 2400, "worse": 100}))
    assert text.splitlines()[1:] == ["… 2,500 problems in all:", "    2,400 x bad", "    100 x worse"]


def test_a_problem_in_json_has_its_line() -> None:
    problem = Problem(3, "params", "No.", "Do.", "bad", "line 3")
    assert report.problem_json(problem) == {
        "batch": None,
        "code": "bad_input",
        "message": "No.",
        "hint": "Do.",
        "line": 3,
        "field": "params",
    }


def test_an_attempt_is_nobodys_business() -> None:
    assert "0123456" not in report.dumps(report.batch_json(batch(attempt=Attempt(NOW, 1234567, ("0123456",)))))


def test_what_was_lost_on_the_way_is_shown_with_what_it_may_cost() -> None:
    sent = Submission(ref="s1", name="notes", created_at=NOW, requests=1500, forgotten_usd=0.25)
    shown = report.details(batch(), sent, None, NOW)
    assert "besides     up to $0.25 for answers that were lost, or batches that were forgotten" in shown
    assert "besides" not in report.details(batch(), replace(sent, forgotten_usd=0.0), None, NOW)
