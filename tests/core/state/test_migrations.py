"""A state of an older version: it is read as it is, a copy is kept before it is first written, and nothing is lost."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchtui.core.batches.batch import Batch, Output, State, Submission, Trouble
from batchtui.core.batches.events import untold
from batchtui.core.errors import StateError
from batchtui.core.paths import Paths
from batchtui.core.state.store import SCHEMA, Store

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def batch(ref: str, **fields: object) -> Batch:
    usual = {"ref": ref, "name": "n", "submission": f"s-{ref}", "submitted_at": NOW, "requests": 1}
    return Batch(**{**usual, "state": State.IN_PROGRESS, "id": f"msgbatch_{ref}", "created_at": NOW, **fields})  # type: ignore[arg-type]


def store(paths: Paths) -> Store:
    return Store(paths, lambda: NOW)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A state as version 1 wrote it: nobody was told of anything."""
    paths = Paths(tmp_path, tmp_path, tmp_path)
    done = Output("csv", "/out.csv", {"safe": True}, NOW, 3)
    with store(paths).transaction() as tx:
        tx.put(
            batch("b1", trouble=Trouble("it broke", "mend it", NOW)),
            batch("b2", state=State.RETRIEVED, ended_at=NOW, retrieved_at=NOW),
        )
        tx.put_submission(
            Submission(ref="s-b2", name="n", created_at=NOW, requests=1, batches=("b2",), outputs=(done,), step=1)
        )
    state = json.loads(paths.state.read_text())
    assert state["meta"]["1"]["schema"] == SCHEMA == 2
    state["meta"]["1"]["schema"] = 1
    paths.state.write_text(json.dumps(state, indent=1))
    paths.state.chmod(0o600)
    return paths


def copy_of(paths: Paths) -> Path:
    return paths.data / "state.schema-1.json"


def schema(path: Path) -> int:
    return int(json.loads(path.read_text())["meta"]["1"]["schema"])


def test_what_held_in_an_old_state_counts_as_told(paths: Paths) -> None:
    snapshot = store(paths).snapshot()
    assert untold(snapshot, NOW) == []
    told = {one.ref: [mark.partition("-")[0] for mark in one.told] for one in snapshot.batches}
    assert told == {"b1": ["submitted", "trouble"], "b2": ["submitted", "ended", "retrieved"]}
    assert [mark.partition("-")[0] for mark in snapshot.submissions["s-b2"].told] == ["output", "step"]


def test_looking_writes_nothing_and_a_transaction_that_changes_nothing_neither(paths: Paths) -> None:
    before = paths.state.read_bytes()
    again = store(paths)
    assert again.snapshot().batches == store(paths).snapshot().batches
    with again.transaction() as tx:
        tx.put(*tx.snapshot.batches)
    assert paths.state.read_bytes() == before
    assert not copy_of(paths).exists()


def test_the_first_change_keeps_a_copy_and_writes_all_records_as_this_version_has_them(paths: Paths) -> None:
    before = paths.state.read_bytes()
    seen = store(paths).snapshot()
    with store(paths).transaction() as tx:
        tx.put(batch("b3"))
    assert copy_of(paths).read_bytes() == before
    assert stat.S_IMODE(copy_of(paths).stat().st_mode) == 0o600
    assert schema(paths.state) == 2
    after = {one.ref: one for one in store(paths).snapshot().batches}
    assert after == {**{one.ref: one for one in seen.batches}, "b3": after["b3"]}
    assert store(paths).snapshot().submissions == seen.submissions
    assert [one.owner.ref for one in untold(store(paths).snapshot(), NOW)] == ["b3"]


def test_forgetting_is_a_change_too_and_a_store_that_is_open_goes_on(paths: Paths) -> None:
    one = store(paths)
    assert len(one.snapshot().batches) == 2
    with one.transaction() as tx:
        tx.forget("b2")
    assert [each.ref for each in one.snapshot().batches] == ["b1"]
    assert one.snapshot().submissions == {}
    with one.transaction() as tx:
        tx.put(batch("b4"))
    assert {each.ref for each in store(paths).snapshot().batches} == {"b1", "b4"}


def test_a_copy_is_never_written_over(paths: Paths) -> None:
    copy_of(paths).write_text("kept from another time")
    before = paths.state.read_bytes()
    with store(paths).transaction() as tx:
        tx.put(batch("b3"))
    assert copy_of(paths).read_text() == "kept from another time"
    assert (paths.data / "state.schema-1-2.json").read_bytes() == before
    paths.state.write_bytes(before)  # somebody puts the old state back
    with store(paths).transaction() as tx:
        tx.put(batch("b4"))
    assert sorted(one.name for one in paths.data.glob("state.schema*")) == [
        "state.schema-1-2.json",
        "state.schema-1.json",
    ]


def test_the_copy_is_no_conflict_of_a_sync_tool_and_is_a_file_of_ours(paths: Paths) -> None:
    with store(paths).transaction() as tx:
        tx.put(batch("b3"))
    assert len(store(paths).snapshot().batches) == 3
    assert paths.owns(copy_of(paths))


def test_without_room_for_the_copy_nothing_is_written(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    before = paths.state.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("batchtui.core.state.state_file.replacing", full)
    with (
        pytest.raises(StateError, match="No copy of the older state could be kept") as caught,
        store(paths).transaction() as tx,
    ):
        tx.put(batch("b3"))
    assert "Free some space" in caught.value.hint
    assert paths.state.read_bytes() == before


def test_a_newer_state_is_refused_with_words(paths: Paths) -> None:
    paths.state.write_text(paths.state.read_text().replace('"schema": 1', '"schema": 3'))
    before = paths.state.read_bytes()
    with pytest.raises(StateError, match=r"newer batchtui \(schema 3\)") as caught:
        store(paths).snapshot()
    assert "Upgrade" in caught.value.hint
    with pytest.raises(StateError), store(paths).transaction() as tx:
        tx.put(batch("b3"))
    assert paths.state.read_bytes() == before


PUTS = """
import os, signal, sys
from pathlib import Path
from datetime import UTC, datetime
from batchtui.core.batches.batch import Batch, State
from batchtui.core.paths import Paths
from batchtui.core.state.state_file import AtomicStorage
from batchtui.core.state.store import Store

home, ref, dies = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
if dies == "after the copy":
    AtomicStorage._save = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if dies == "while it is copied":
    os.link = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
print("ready", flush=True)
sys.stdin.readline()
now = datetime(2026, 11, 26, 12, tzinfo=UTC)
with Store(Paths(home, home, home)).transaction() as tx:
    tx.put(Batch(ref=ref, name="n", submission="s", submitted_at=now, requests=1, state=State.SUBMITTING))
"""


def process(paths: Paths, ref: str, dies: str = "") -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PUTS, str(paths.data), ref, dies]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(*processes: subprocess.Popen[str]) -> list[int]:
    for one in processes:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
    for one in processes:
        assert one.stdin
        one.stdin.write("\n")
        one.stdin.flush()
    codes = [one.wait(60) for one in processes]
    for one in processes:
        one.communicate()
    return codes


def test_a_kill_on_the_way_leaves_the_old_state_and_the_next_process_goes_on(paths: Paths) -> None:
    before = paths.state.read_bytes()
    for dies in ("while it is copied", "after the copy"):
        assert go(process(paths, "x", dies)) == [-signal.SIGKILL]
        assert paths.state.read_bytes() == before
        assert copy_of(paths).exists() is (dies == "after the copy")
        assert len(store(paths).snapshot().batches) == 2
    assert go(process(paths, "b3")) == [0]
    assert copy_of(paths).read_bytes() == before
    assert {one.ref for one in store(paths).snapshot().batches} == {"b1", "b2", "b3"}
    assert [one.name for one in paths.data.glob("state.schema*")] == ["state.schema-1.json"]


def test_several_processes_at_once_keep_one_copy_and_lose_nothing(paths: Paths) -> None:
    before = paths.state.read_bytes()
    assert go(*(process(paths, f"p{number}") for number in range(3))) == [0, 0, 0]
    assert {one.ref for one in store(paths).snapshot().batches} == {"b1", "b2", "p0", "p1", "p2"}
    assert copy_of(paths).read_bytes() == before
    assert [one.name for one in paths.data.glob("state.schema*")] == ["state.schema-1.json"]
