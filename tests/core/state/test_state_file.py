"""TinyDB on a file that is always one whole state."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

import msgspec
import pytest
from tinydb import TinyDB, where
from tinydb.table import Document

from batchtui.core.errors import StateError
from batchtui.core.state.state_file import AtomicStorage

NOW = datetime(2026, 11, 22, 13, 5, 9, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def database(storage: AtomicStorage) -> TinyDB:
    return TinyDB(storage=lambda: storage)


def filled(path: Path) -> AtomicStorage:
    storage = AtomicStorage(path)
    with storage.transaction():
        database(storage).table("fruit").insert_multiple([{"name": "fig", "of": {"tree": 1}}, {"name": "plum"}])
    return storage


def inode(path: Path) -> int:
    return path.stat().st_ino


def test_no_file_reads_as_nothing_and_reading_makes_none(path: Path) -> None:
    storage = AtomicStorage(path)
    assert storage.read() is None
    assert storage.fresh()
    assert not path.exists()


def test_tinydb_queries_and_changes_work_over_it(path: Path) -> None:
    storage = filled(path)
    fruit = database(storage).table("fruit")
    assert fruit.all() == [{"name": "fig", "of": {"tree": 1}}, {"name": "plum"}]
    assert [found.doc_id for found in fruit.search(where("of").tree == 1)] == [1]
    assert fruit.get(doc_id=2) == {"name": "plum"}
    with storage.transaction():
        fruit.remove(doc_ids=[1])
        fruit.insert(Document({"name": "pear"}, 1))
        assert fruit.get(doc_id=1) == {"name": "pear"}
    assert TinyDB(path).table("fruit").get(doc_id=1) == {"name": "pear"}


def test_a_transaction_is_one_write_that_others_see_at_its_end(path: Path) -> None:
    storage, other = filled(path), AtomicStorage(path)
    before = path.read_bytes(), inode(path)
    with storage.transaction():
        for table in ("fruit", "nuts"):
            for number in range(3):
                database(storage).table(table).insert({"number": number})
        assert len(database(storage).table("nuts")) == 3
        assert (path.read_bytes(), inode(path)) == before
        assert set(other.read() or {}) == {"fruit"}
    assert not other.fresh()
    assert len((other.read() or {})["nuts"]) == 3
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["state.json"]


def test_a_transaction_without_a_change_writes_nothing(path: Path) -> None:
    storage = filled(path)
    before = inode(path)
    with storage.transaction():
        assert len(database(storage).table("fruit")) == 2
    assert inode(path) == before


def test_an_exception_undoes_everything_on_disk_and_in_memory(path: Path) -> None:
    storage = filled(path)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), storage.transaction():
        fruit = database(storage).table("fruit")
        fruit.remove(doc_ids=[1])
        fruit.insert({"name": "pear"})
        _ = 1 / 0
    assert path.read_bytes() == before
    assert [found["name"] for found in database(storage).table("fruit")] == ["fig", "plum"]
    with storage.transaction():
        database(storage).table("fruit").insert({"name": "quince"})
    assert [found["name"] for found in TinyDB(path).table("fruit")] == ["fig", "plum", "quince"]


def test_changing_what_was_read_changes_nothing_that_is_kept(path: Path) -> None:
    storage = filled(path)
    fig = database(storage).table("fruit").get(doc_id=1)
    assert isinstance(fig, Document)
    fig["of"]["tree"] = 99
    with storage.transaction():
        database(storage).table("nuts").insert({})
    assert TinyDB(path).table("fruit").get(doc_id=1) == {"name": "fig", "of": {"tree": 1}}


def test_a_write_outside_a_transaction_is_refused(path: Path) -> None:
    storage = filled(path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError):
        database(storage).table("fruit").insert({})
    assert path.read_bytes() == before


def test_an_unchanged_file_is_not_read_again(path: Path) -> None:
    storage = filled(path)
    assert storage.read() is storage.read()


def test_a_new_file_of_the_same_size_and_time_is_seen(path: Path) -> None:
    for round_ in range(20):
        path.write_text(msgspec.json.encode({"t": {"1": {"round": f"{round_:02}a"}}}).decode())
        storage = AtomicStorage(path)
        storage.read()
        about = path.stat()
        for letter in "bc":  # the second would get the inode number of the file that was read, were it not kept open
            new = path.with_suffix(".new")
            new.write_text(path.read_text().replace(path.read_text()[-5], letter))
            os.utime(new, ns=(about.st_atime_ns, about.st_mtime_ns))
            new.replace(path)
        assert path.stat().st_mtime_ns == about.st_mtime_ns
        assert path.stat().st_size == about.st_size
        assert not storage.fresh()
        assert (storage.read() or {})["t"]["1"]["round"] == f"{round_:02}c"


def test_what_tinydb_itself_writes_in_place_is_seen(path: Path) -> None:
    storage = filled(path)
    storage.read()
    TinyDB(path).table("fruit").insert({"name": "quince"})
    assert len((storage.read() or {})["fruit"]) == 3


UNREADABLE = {
    "empty": b"",
    "cut": b'{"fruit": {"1": {"name": "f',
    "zeros": b"\0" * 4096,
    "zeros at the end": b'{"fruit":{}}' + b"\0" * 100,
    "the end of an older one": b'{"fruit":{}}{"1":{}}',
    "text": b"hello",
    "a list": b"[]",
    "null": b"null",
    "a table that is none": b'{"fruit": 3}',
    "a byte order mark": b'\xef\xbb\xbf{"fruit":{}}',
    "not UTF-8": b'{"fr\xff\xfeuit":{}}',
    "very deep": b'{"a":{"1":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_named_and_never_overwritten(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    storage = AtomicStorage(path)
    for _ in range(2):
        with pytest.raises(StateError) as caught:
            storage.read()
        assert str(path) in caught.value.message
        assert f"mv {quote(str(path))}" in caught.value.hint
    with pytest.raises(StateError), storage.transaction():
        database(storage).table("fruit").insert({})
    assert path.read_bytes() == content
    assert [entry.name for entry in path.parent.iterdir()] == ["state.json"]


def test_control_characters_of_a_broken_file_reach_no_message(path: Path) -> None:
    path.with_name("state (\x1b[31m\u202econflict).json").write_text("")
    with pytest.raises(StateError) as caught:
        AtomicStorage(path).read()
    assert "\x1b" not in caught.value.message
    assert "\u202e" not in caught.value.message


def link(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_text("{}")
    path.symlink_to(victim)


@pytest.mark.parametrize("plant", [link, Path.mkdir, os.mkfifo], ids=["link", "folder", "pipe"])
def test_only_a_plain_file_is_read_and_nothing_else_replaced(path: Path, plant: Callable[[Path], None]) -> None:
    plant(path)
    before = path.lstat()
    storage = AtomicStorage(path)
    with pytest.raises(StateError) as caught:
        storage.read()
    assert str(path) in caught.value.message
    with pytest.raises(StateError), storage.transaction():
        database(storage).table("fruit").insert({})
    assert path.lstat().st_ino == before.st_ino


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_told_from_a_broken_file_and_its_batches_are_not_moved_aside(path: Path, *, there: bool) -> None:
    real = path.parent / "elsewhere" / "mine.json"
    real.parent.mkdir()
    if there:
        real.write_text("{}")
    path.symlink_to(real)
    with pytest.raises(StateError) as caught:
        AtomicStorage(path).read()
    assert "a symbolic link" in caught.value.message
    assert "aside" not in caught.value.hint
    assert "an empty one" not in caught.value.hint
    assert (f"mv {real} {path}" if there else "is not there") in caught.value.hint
    if there:
        real.replace(path)
        assert AtomicStorage(path).read() == {}


@pytest.mark.parametrize(
    "name",
    [
        "state (Ann's conflicted copy 2026-11-20).json",
        "state (1).json",
        "state(1).json",
        "state 2.json",
        "state.sync-conflict-20261120-101112-ABCDEFG.json",
        "state_conflict-20261120.json",
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_a_conflict_copy_is_reported_and_nothing_merged_or_written(path: Path, name: str, *, there: bool) -> None:
    if there:
        filled(path)
    path.with_name(name).write_text("{}")
    storage = AtomicStorage(path)
    with pytest.raises(StateError) as caught:
        storage.read()
    assert name in caught.value.message
    with pytest.raises(StateError), storage.transaction():
        database(storage).table("fruit").insert({})
    path.with_name(name).unlink()
    assert (storage.read() is not None) is there


@pytest.mark.parametrize(
    "name", ["statement 2.json", "state-backup.json", "state.json.bak", "state.unreadable-20261122T130509Z.json"]
)
def test_other_names_beside_it_are_no_conflict(path: Path, name: str) -> None:
    path.with_name(name).write_text("{}")
    assert AtomicStorage(path).read() is None


def test_text_that_is_not_unicode_is_a_state_error_and_saves_nothing(path: Path) -> None:
    storage = filled(path)
    before = path.read_bytes()
    with pytest.raises(StateError) as caught, storage.transaction():
        database(storage).table("fruit").insert({"name": "\udcff"})
    assert "UTF-8" in caught.value.message
    assert path.read_bytes() == before


def test_what_a_killed_writer_left_is_gone_after_the_next_write(path: Path) -> None:
    left = path.with_name(".state.json.0a1b2c3d.part")
    left.write_bytes(b"half")
    filled(path)
    assert not left.exists()
