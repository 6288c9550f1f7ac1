"""What is retried: chosen by cause alone, after all results of a batch and its retries."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Batch, Snapshot, State
from batchtui.core.batches.retries import DEFAULT, Kind, attempts, first_of, not_over, with_retries
from batchtui.core.errors import StateError
from batchtui.core.results.failures import TRANSIENT, choose, failures, kinds_of
from batchtui.core.state.archive import copy_rows

AT = datetime(2026, 11, 20, tzinfo=UTC)


def errored(kind: str) -> dict[str, Any]:
    return {"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": "m"}}}


SUCCEEDED = {"type": "succeeded", "message": {"content": [{"type": "text", "text": "x"}]}}


def results(path: Path, **outcomes: dict[str, Any]) -> Path:
    lines = [json.dumps({"custom_id": name, "result": result}) for name, result in outcomes.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_cause_of_each_failure_is_told(tmp_path: Path) -> None:
    path = results(
        tmp_path / "a",
        fine=SUCCEEDED,
        late={"type": "expired"},
        stopped={"type": "canceled"},
        busy=errored("overloaded_error"),
        bad=errored("invalid_request_error"),
        odd=errored(""),
    )
    assert failures([path]) == {
        "late": "expired",
        "stopped": "canceled",
        "busy": "overloaded_error",
        "bad": "invalid_request_error",
        "odd": "unknown",
    }


def test_a_success_of_any_retry_counts_and_so_does_the_latest_failure(tmp_path: Path) -> None:
    first = results(tmp_path / "a", one={"type": "expired"}, two={"type": "expired"}, three={"type": "expired"})
    second = results(tmp_path / "b", one=SUCCEEDED, two=errored("api_error"))
    third = results(tmp_path / "c", two=errored("invalid_request_error"))
    assert failures([first, second, third]) == {"two": "invalid_request_error", "three": "expired"}


def test_results_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text('{"custom_id": "a"}\n')
    for path in (tmp_path / "bad", tmp_path / "absent"):
        with pytest.raises(StateError, match="cannot be read"):
            failures([path])


FAILED = {
    "a": "expired",
    "b": "canceled",
    "c": "overloaded_error",
    "d": "api_error",
    "e": "timeout_error",
    "f": "rate_limit_error",
    "g": "invalid_request_error",
    "h": "authentication_error",
    "i": "billing_error",
    "j": "permission_error",
    "k": "not_found_error",
    "l": "request_too_large",
    "m": "unknown",
    "n": "expired",
}


def test_only_what_time_may_heal_is_chosen_by_itself() -> None:
    chosen = choose(FAILED, DEFAULT)
    assert chosen.ids == frozenset("abcdefn")
    assert set(chosen.causes) == TRANSIENT
    assert next(iter(chosen.causes.items())) == ("expired", 2)
    assert sum(chosen.left.values()) == 7
    assert chosen.causes.keys().isdisjoint(chosen.left)


def test_all_is_chosen_when_asked_for() -> None:
    chosen = choose(FAILED, Kind)
    assert (chosen.ids, chosen.left) == (frozenset(FAILED), {})


def test_these_kinds_are_chosen_and_no_others() -> None:
    failed = {**FAILED, "o": "cut", "p": "refused", "q": "paused", "r": "unfit", "s": "cut"}
    chosen = choose(failed, {Kind.CUT, Kind.PAUSED})
    assert (chosen.ids, chosen.causes) == (frozenset("osq"), {"cut": 2, "paused": 1})
    assert choose(failed, DEFAULT).ids == choose(FAILED, DEFAULT).ids
    assert kinds_of(chosen.left) == {
        Kind.REFUSED: 1,
        Kind.UNFIT: 1,
        Kind.EXPIRED: 2,
        Kind.CANCELED: 1,
        Kind.TRANSIENT: 4,
        Kind.PERMANENT: 7,
    }


def batch(ref: str, retry_of: str = "", state: State = State.RETRIEVED, minutes: int = 0) -> Batch:
    return Batch(
        ref=ref,
        name="n",
        submission="s",
        submitted_at=AT + timedelta(minutes=minutes),
        requests=1,
        state=state,
        retry_of=retry_of,
    )


def test_a_batch_with_its_retries_comes_first_and_they_follow_in_the_order_they_were_sent() -> None:
    batches = [batch("r2", "a", minutes=9), batch("r3", "r2", minutes=20), batch("r1", "a", minutes=5), batch("a")]
    snapshot = Snapshot(1, (*batches, batch("other"), batch("lost", "forgotten")))
    for one in batches:
        assert [shelf.ref for shelf in with_retries(snapshot, one)] == ["a", "r1", "r2", "r3"]
    assert [shelf.ref for shelf in with_retries(snapshot, snapshot.batches[-1])] == ["lost"]
    assert [one.ref for one in attempts(snapshot, batches)] == ["a", "r1", "r2", "r3"]


def test_batches_that_name_each_other_do_not_go_on_for_ever() -> None:
    snapshot = Snapshot(1, (batch("a", "b"), batch("b", "a")))
    assert first_of(snapshot, snapshot.batches[0]).ref in ("a", "b")


@pytest.mark.parametrize("state", [one for one in State if one not in (State.RETRIEVED, State.REJECTED, State.GONE)])
def test_whatever_may_still_give_results_holds_a_retry_back(state: State) -> None:
    assert not_over([batch("a"), batch("b", state=state)]) == batch("b", state=state)
    assert not_over([batch("a"), batch("b", state=State.REJECTED)]) is None


def test_the_rows_that_are_copied_are_untouched_and_in_order(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    rows = [b'{"custom_id": "%b",  "params": {"custom_id": "x"}}\n' % name for name in (b"a", b"b", b"c", b"x")]
    archive.write_bytes(b"".join(rows))
    sink = io.BytesIO()
    assert copy_rows(archive, {"c", "a"}, sink) == 2
    assert sink.getvalue() == rows[0] + rows[2]
    later = [tmp_path / "second.jsonl", tmp_path / "third.jsonl"]
    edits = [b'{"custom_id": "%b", "params": %d}\n' % edit for edit in ((b"c", 1), (b"a", 2), (b"b", 3), (b"c", 4))]
    later[0].write_bytes(edits[0] + edits[1] + edits[2])
    later[1].write_bytes(edits[3])
    sink = io.BytesIO()
    assert copy_rows(archive, {"c", "a", "x"}, sink, later) == 3
    assert sink.getvalue() == edits[1] + edits[3] + rows[3]
    archive.write_bytes(b"oops")
    with pytest.raises(StateError, match="cannot be read"):
        copy_rows(archive, {"a"}, sink)
