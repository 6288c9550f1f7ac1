"""A state.json that somebody edited is refused with the place, and nothing of it is used."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Attempt, Batch, State, Submission, Trouble
from batchtui.core.errors import StateError
from batchtui.core.paths import Paths
from batchtui.core.results.retrieve import ResultPlace
from batchtui.core.sending.settle import NOTHING_LISTED
from batchtui.core.state.store import Store

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
def paths(tmp_path: Any) -> Paths:
    paths = Paths(tmp_path, tmp_path, tmp_path)
    with Store(paths).transaction() as tx:
        tx.put_submission(Submission(ref="s1", name="n", created_at=NOW, requests=1, batches=("b1",)))
        tx.put(
            Batch(
                ref="b1",
                name="n",
                submission="s1",
                submitted_at=NOW,
                requests=1,
                state=State.ENDED,
                id="msgbatch_1",
                created_at=NOW,
                trouble=Trouble("m", "h", NOW),
            )
        )
    return paths


@pytest.mark.parametrize(
    ("table", "field", "value", "said"),
    [
        ("batches", "created_at", "2026-11-26T10:00:00", "document 1: Expected `datetime` with a zone"),
        ("batches", "submitted_at", "2026-11-26T10:00:00", "document 1: Expected `datetime` with a zone"),
        ("batches", "trouble", {"message": "", "hint": "", "at": "2026-11-26T10:00:00"}, "with a zone"),
        ("submissions", "created_at", "2026-11-26 10:00:00", "document 1: Expected `datetime` with a zone"),
        ("submissions", "held_at", "2026-11-26T10:00:00", "with a zone"),
        ("batches", "created_at", "0001-01-01T00:00:00+14:00", "created_at is in the year 1"),
        ("batches", "created_at", "9999-12-31T23:59:59Z", "created_at is in the year 9999"),
        (
            "batches",
            "trouble",
            {"message": "", "hint": "", "at": "9999-12-31T23:59:59Z"},
            "trouble is in the year 9999",
        ),
        ("submissions", "created_at", "1066-10-14T00:00:00Z", "created_at is in the year 1066"),
        ("batches", "created_at", "yesterday", "document 1: Invalid RFC3339"),
        ("batches", "created_at", 5e300, "document 1"),
        ("batches", "requests", -1, "requests is out of range"),
        ("batches", "requests", 2**70, "requests is out of range"),
        ("batches", "request_counts", {"succeeded": 2**70}, "request_counts is out of range"),
        ("batches", "requests", "5", "document 1: Expected `int`, got `str`"),
        (
            "batches",
            "attempt",
            {"started_at": "2026-11-26T10:00:00Z", "bytes": 1, "newest": "0001-01-01T00:00:00Z"},
            "attempt is in the year 1",
        ),
        (
            "batches",
            "attempt",
            {"started_at": "9999-12-31T23:59:59Z", "bytes": 1},
            "attempt is in the year 9999",
        ),
        (
            "submissions",
            "waiting",
            [{"ref": "p", "requests": 2**70, "bytes": 1, "digest": ""}],
            "waiting is out of range",
        ),
        ("batches", "state", "fine", "document 1: Invalid enum value"),
        ("batches", "id", "../../../etc/passwd", "id cannot be a name of ours"),
        ("batches", "ref", "../b1", "ref cannot be a name of ours"),
        ("submissions", "ref", "/etc/s1", "ref cannot be a name of ours"),
        ("submissions", "outputs", [{"kind": "csv", "path": 5}], "document 1: Expected `str`, got `int`"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(
    paths: Paths, table: str, field: str, value: object, said: str
) -> None:
    state = json.loads(paths.state.read_text())
    state[table]["1"][field] = value
    paths.state.write_text(json.dumps(state))
    before = paths.state.read_bytes()
    with pytest.raises(StateError) as refused:
        Store(paths).snapshot()
    assert said in refused.value.message
    assert "Restore it from a backup" in refused.value.hint
    assert paths.state.read_bytes() == before


@pytest.mark.parametrize("value", ["9" * 5000, "1" + "0" * 400, "1e999", "[" * 5000 + "]" * 5000])
def test_numbers_and_nesting_that_nothing_can_hold_are_refused(paths: Paths, value: str) -> None:
    text = paths.state.read_text()
    paths.state.write_text(text.replace('"requests":1', f'"requests":{value}', 1))
    with pytest.raises(StateError, match="cannot be read"):
        Store(paths).snapshot()


@pytest.mark.parametrize("table", ["batches", "submissions", "meta"])
@pytest.mark.parametrize("key", ["=1+1", "", "1.5", "\u001b[2J"])
def test_a_document_without_a_number_is_refused_when_read(paths: Paths, table: str, key: str) -> None:
    """TinyDB would break only while it saves what was found out by then."""
    state = json.loads(paths.state.read_text())
    state[table][key] = state[table]["1"] if table == "meta" else state[table].pop("1")
    paths.state.write_text(json.dumps(state))
    with pytest.raises(StateError) as refused:
        Store(paths).snapshot()
    assert "is not the number of a document" in refused.value.message
    assert "\u001b" not in refused.value.message


def test_what_the_api_can_say_is_no_damage(paths: Paths) -> None:
    """A list that was empty before the create, and an answer of a host whose clock is centuries off."""
    attempt = Attempt(started_at=NOW, bytes=1, newest=NOTHING_LISTED, looked_at=NOW.replace(year=2999))
    with Store(paths).transaction() as tx:
        tx.put(replace(tx.snapshot.batches[0], attempt=attempt, created_at=NOW.replace(year=2999)))
    assert Store(paths).snapshot().batches[0].attempt == attempt


def test_an_ended_batch_without_an_id_says_so_where_its_results_would_go(paths: Paths) -> None:
    lost = replace(Store(paths).snapshot().batches[0], id=None)
    with pytest.raises(StateError, match="b1 has ended but has no id"):
        ResultPlace(paths, lost)
