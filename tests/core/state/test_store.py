"""The saved state: what was put is there once, in every process, under one revision."""

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tinydb import TinyDB

from batchtui.core.batches.batch import Attempt, Batch, Cost, Output, Snapshot, State, Submission, Trouble
from batchtui.core.batches.remote import Counts, ProcessingStatus
from batchtui.core.errors import Busy, StateError
from batchtui.core.lock import Lock
from batchtui.core.paths import Paths
from batchtui.core.state.store import Store

NOW = datetime(2026, 11, 22, 13, 5, 9, 123456, tzinfo=UTC)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    home = tmp_path / "home"
    return Paths(data=home, config=home, log=home)


def batch(ref: str, *, minutes: int = 0, submission: str = "s1", name: str = "notes") -> Batch:
    return Batch(
        ref=ref,
        name=name,
        submission=submission,
        submitted_at=NOW - timedelta(minutes=minutes),
        requests=5,
        state=State.SUBMITTING,
    )


def submission(ref: str, *batches: str) -> Submission:
    return Submission(ref=ref, name="notes", created_at=NOW, requests=5, batches=batches)


def put(paths: Paths, *batches: Batch) -> None:
    with Store(paths).transaction() as tx:
        tx.put(*batches)


FULL = Batch(
    ref="b1",
    name="round notes \N{SNOWMAN} \x1b[31m",
    submission="s1",
    submitted_at=NOW,
    requests=7,
    state=State.RETRIEVED,
    id="msgbatch_1",
    part=2,
    step=1,
    processing_status=ProcessingStatus.ENDED,
    request_counts=Counts(succeeded=4, errored=1, canceled=1, expired=1),
    created_at=NOW,
    expires_at=NOW,
    ended_at=NOW,
    archived_at=NOW,
    cancel_initiated_at=NOW,
    models=("claude-a", "claude-b"),
    digest="abc",
    attempt=Attempt(NOW, 12, ("x",), ("y",), NOW),
    doubtful=True,
    results_path="/tmp/r.jsonl",
    retrieved_at=NOW,
    trouble=Trouble("it broke", "mend it", NOW),
    cost=Cost(1.5, 0.25, 0.25),
    outputs=(Output("csv", "/tmp/x.csv", {"safe": True, "deep": {"a": [1, None]}}, NOW, 7),),
)


def test_looking_at_no_state_is_empty_and_makes_nothing(paths: Paths) -> None:
    store = Store(paths)
    assert store.snapshot() == Snapshot()
    assert not paths.data.exists()


def test_every_field_comes_back_as_it_was_put(paths: Paths) -> None:
    sent = replace(submission("s1", "b1"), input="in.jsonl", sha256="f", bytes=9, models=("m",), steps=("x",))
    with Store(paths).transaction() as tx:
        tx.put(FULL)
        tx.put_submission(sent)
    snapshot = Store(paths).snapshot()
    assert snapshot == Snapshot(1, (replace(FULL, revision=1),), {"s1": replace(sent, revision=1)})


def test_batches_come_newest_first_by_the_servers_time_where_known(paths: Paths) -> None:
    created = replace(batch("made", minutes=90), created_at=NOW - timedelta(minutes=1))
    put(paths, batch("old", minutes=60), created, batch("new"))
    assert [found.ref for found in Store(paths).snapshot().batches] == ["new", "made", "old"]


def test_submissions_come_in_the_order_in_which_they_were_begun(paths: Paths) -> None:
    """Whatever our clock said, and whichever was changed last."""
    store = Store(paths)
    for number in (3, 1, 2):
        with store.transaction() as tx:
            tx.put_submission(
                Submission(ref=f"s{number}", name="n", created_at=NOW - timedelta(hours=number), requests=1)
            )
    with store.transaction() as tx:
        tx.put_submission(replace(tx.snapshot.submissions["s3"], name="changed"))
    for one in (store, Store(paths)):
        assert list(one.snapshot().submissions) == ["s3", "s1", "s2"]


def test_the_revision_counts_transactions_and_marks_what_each_one_changed(paths: Paths) -> None:
    store = Store(paths)
    put(paths, batch("a"), batch("b"))
    with store.transaction() as tx:
        found = tx.batch("a")
        assert found is not None
        tx.put(replace(found, id="msgbatch_a"))
    snapshot = store.snapshot()
    assert snapshot.revision == 2
    assert {found.ref: found.revision for found in snapshot.batches} == {"a": 2, "b": 1}


def test_a_transaction_that_changes_nothing_writes_nothing(paths: Paths) -> None:
    put(paths, batch("a"))
    before = paths.state.stat()
    store = Store(paths)
    store.snapshot()
    with store.transaction():
        pass
    with store.transaction() as tx:
        tx.put(replace(batch("a"), revision=77))
        tx.forget("never seen")
    after = paths.state.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert store.snapshot().revision == 1


def test_an_empty_transaction_on_no_state_makes_no_state_file(paths: Paths) -> None:
    with Store(paths).transaction():
        pass
    assert not paths.state.exists()


def test_an_exception_in_the_block_saves_nothing_and_frees_the_lock(paths: Paths) -> None:
    put(paths, batch("a"))
    store = Store(paths)
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        tx.put(batch("b"))
        _ = 1 / 0
    assert [found.ref for found in store.snapshot().batches] == ["a"]
    assert store.snapshot().revision == 1
    put(paths, batch("c"))
    assert [found.ref for found in store.snapshot().batches] == ["a", "c"]


def test_a_transaction_sees_what_it_put_and_its_snapshot_stays_what_it_was(paths: Paths) -> None:
    put(paths, batch("a"), batch("b"))
    with Store(paths).transaction() as tx:
        tx.put(batch("c"))
        tx.forget("a")
        assert tx.batch("a") is None
        assert tx.batch("c") == batch("c")
        assert tx.batch("b") is not None
        assert tx.batch("nobody") is None
        assert [found.ref for found in tx.snapshot.batches] == ["a", "b"]


def test_a_transaction_sees_what_another_store_saved_since(paths: Paths) -> None:
    one, other = Store(paths), Store(paths)
    with one.transaction() as tx:
        tx.put(batch("a"))
    other.snapshot()
    with one.transaction() as tx:
        tx.put(batch("b"))
    with other.transaction() as tx:
        assert tx.batch("b") is not None
        tx.put(batch("c"))
    assert [found.ref for found in one.snapshot().batches] == ["a", "b", "c"]
    assert one.snapshot().revision == 3


def test_every_write_by_anybody_gives_another_snapshot(paths: Paths) -> None:
    store = Store(paths)
    seen = [store.snapshot()]
    put(paths, batch("a"))
    seen.append(store.snapshot())
    with store.transaction() as tx:
        tx.put(batch("b"))
    seen.append(store.snapshot())
    paths.state.unlink()
    seen.append(store.snapshot())
    assert all(one is not following for one, following in pairwise(seen))
    assert seen[-1] == Snapshot()


def test_an_unchanged_file_gives_the_same_snapshot_and_unchanged_batches_the_same_objects(paths: Paths) -> None:
    put(paths, batch("a"), batch("b"))
    store = Store(paths)
    before = store.snapshot()
    assert store.snapshot() is before
    put(paths, replace(batch("b"), id="msgbatch_b"))
    after = store.snapshot()
    assert after.batches[0] is before.batches[0]
    assert after.batches[1] is not before.batches[1]
    assert after.batches[1].id == "msgbatch_b"


def test_forgetting_takes_the_submission_with_its_last_batch(paths: Paths) -> None:
    store = Store(paths)
    with store.transaction() as tx:
        tx.put(batch("a"), batch("b"), batch("c", submission="s2"))
        tx.put_submission(submission("s1", "a", "b"), submission("s2", "c"))
    with store.transaction() as tx:
        tx.forget("a")
    assert store.snapshot().submissions["s1"].batches == ("b",)
    with store.transaction() as tx:
        tx.forget("b")
        assert tx.submission("s1") is None
        assert tx.submission("s2") is not None
    assert list(store.snapshot().submissions) == ["s2"]
    assert [found.ref for found in store.snapshot().batches] == ["c"]


def test_tinydb_alone_opens_the_file_and_reads_every_document(paths: Paths) -> None:
    store = Store(paths)
    with store.transaction() as tx:
        tx.put(FULL, batch("b2"))
        tx.put_submission(submission("s1", "b1", "b2"))
    with TinyDB(paths.state, access_mode="r") as database:
        assert database.tables() == {"submissions", "batches", "meta"}
        documents = database.table("batches").all()
        assert [found.doc_id for found in documents] == [1, 2]
        assert msgspec.convert(dict(documents[0]), Batch) == replace(FULL, revision=1)
        assert database.table("submissions").get(doc_id=1)["ref"] == "s1"
        assert database.table("meta").get(doc_id=1) == {"schema": 2, "revision": 1}


def test_document_ids_never_change_and_two_stores_never_give_one_twice(paths: Paths) -> None:
    one, other = Store(paths), Store(paths)
    for number in range(4):
        with (one, other)[number % 2].transaction() as tx:
            tx.put(batch(f"b{number}"))
    with one.transaction() as tx:
        tx.put(replace(batch("b1"), id="msgbatch_1"), batch("b4"))
        tx.forget("b2")
    with other.transaction() as tx:
        tx.put(batch("b5"))
    with TinyDB(paths.state, access_mode="r") as database:
        ids = {found["ref"]: found.doc_id for found in database.table("batches")}
    assert ids == {"b0": 1, "b1": 2, "b3": 4, "b4": 5, "b5": 6}


def test_tables_of_others_in_the_file_are_kept(paths: Paths) -> None:
    put(paths, batch("a"))
    TinyDB(paths.state).table("notes").insert({"mine": [1, {"deep": "x"}]})
    put(paths, batch("b"))
    assert TinyDB(paths.state).table("notes").all() == [{"mine": [1, {"deep": "x"}]}]


def test_a_newer_state_is_refused_and_left_as_it_is(paths: Paths) -> None:
    put(paths, batch("a"))
    content = paths.state.read_bytes().replace(b'"schema":2', b'"schema":3')
    paths.state.write_bytes(content)
    store = Store(paths)
    with pytest.raises(StateError) as caught:
        store.snapshot()
    assert "newer batchtui" in caught.value.message
    assert "Upgrade" in caught.value.hint
    with pytest.raises(StateError), store.transaction() as tx:
        tx.put(batch("b"))
    assert paths.state.read_bytes() == content


GOOD = {"meta": {"1": {"schema": 1, "revision": 3}}}
ROW = msgspec.to_builtins(batch("a"))

NOT_OURS = {
    "no meta": {},
    "another program's": {"_default": {"1": {"x": 1}}},
    "a revision that is none": {"meta": {"1": {"schema": 1, "revision": "x"}}},
    "a field of another type": {**GOOD, "batches": {"1": {**ROW, "requests": "five"}}},
    "a state that is none": {**GOOD, "batches": {"1": {**ROW, "state": "lost"}}},
    "a document that is none": {**GOOD, "batches": {"1": 5}},
    "an id that is none": {**GOOD, "batches": {"one": ROW}},
    "one ref twice": {**GOOD, "batches": {"1": ROW, "2": ROW}},
    "one id twice": {**GOOD, "batches": {"1": ROW, "01": {**ROW, "ref": "b"}}},
}


@pytest.mark.parametrize("content", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_what_is_not_a_state_is_refused_and_left_as_it_is(paths: Paths, content: object) -> None:
    paths.data.mkdir(mode=0o700)
    paths.state.write_bytes(data := msgspec.json.encode(content))
    store = Store(paths)
    for _ in range(2):
        with pytest.raises(StateError) as caught:
            store.snapshot()
        assert str(paths.state) in caught.value.message
        assert "mv " in caught.value.hint
    with pytest.raises(StateError), store.transaction() as tx:
        tx.put(batch("b"))
    assert paths.state.read_bytes() == data


def test_a_state_that_another_process_holds_is_busy_after_the_wait(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchtui.core.state.store.LOCK_TIMEOUT", 0.1)
    store = Store(paths)
    with Lock(paths.state_lock).held(1):
        assert store.snapshot() == Snapshot()
        with pytest.raises(Busy), store.transaction():
            raise AssertionError
    with store.transaction() as tx:
        tx.put(batch("a"))


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_every_file_is_ours_alone_under_any_umask(paths: Paths, umask: int) -> None:
    before = os.umask(umask)
    try:
        put(paths, batch("a"))
        put(paths, batch("b"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(paths.data.stat().st_mode) == 0o700
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in paths.data.iterdir()}
    assert modes == {"state.json": 0o600, "state.lock": 0o600}


@pytest.mark.parametrize("name", ["state.json", "state.lock"])
def test_a_planted_link_is_refused_and_its_target_untouched(paths: Paths, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("{}")
    paths.data.mkdir(mode=0o700)
    (paths.data / name).symlink_to(victim)
    with pytest.raises(StateError) as caught, Store(paths).transaction() as tx:
        tx.put(batch("a"))
    assert name in caught.value.message
    assert victim.read_text() == "{}"
    assert (paths.data / name).is_symlink()


def test_looking_imports_neither_the_sdk_nor_the_screen_nor_the_lock(paths: Paths) -> None:
    script = (
        "import sys; from pathlib import Path; from batchtui.core.paths import Paths\n"
        "from batchtui.core.state.store import Store; home = Path(sys.argv[1])\n"
        "Store(Paths(home, home, home)).snapshot()\n"
        "print([name for name in ('anthropic', 'textual', 'filelock', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(paths.data)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
