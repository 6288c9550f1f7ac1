"""Tickets: what a dead process was making is removed only if no record names it, and nothing else ever is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchtui.core.batches.batch import Batch, Part, Snapshot, State, Submission
from batchtui.core.paths import Paths, find_paths
from batchtui.core.state.tickets import Ticket, abandoned, clear, nobodys

AT = datetime(2026, 11, 26, tzinfo=UTC)


def batch(ref: str) -> Batch:
    return Batch(ref=ref, name="n", submission="s1", submitted_at=AT, requests=1, state=State.IN_PROGRESS)


def submission(*batches: str, waiting: tuple[str, ...] = ()) -> Submission:
    parts = tuple(Part(ref=ref, requests=1, bytes=1, digest="") for ref in waiting)
    return Submission(ref="s1", name="n", created_at=AT, requests=1, input="", batches=batches, waiting=parts)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return find_paths({"BATCHTUI_HOME": str(tmp_path / "home")})


@pytest.fixture
def dead(paths: Paths) -> Iterator[Ticket]:
    """A ticket whose process is gone, as far as its lock tells."""
    ticket = Ticket(paths)
    yield ticket
    ticket.close()


def die(ticket: Ticket) -> None:
    assert ticket._file
    fcntl.flock(ticket._file, fcntl.LOCK_UN)


def left(paths: Paths) -> list[str]:
    return sorted(one.name for one in paths.requests.iterdir())


def settle(paths: Paths, snapshot: Snapshot | None) -> None:
    clear(abandoned(paths), snapshot, paths)


def test_a_ref_is_somebodys_if_any_record_names_it() -> None:
    state = Snapshot(3, (batch("b1"),), {"s1": submission("b1", "b2", waiting=("b3",))})
    assert nobodys(["b1", "b2", "b3", "b4", "b5"], state) == ["b4", "b5"]
    assert nobodys([], Snapshot()) == []


def test_only_what_stands_in_a_ticket_and_not_in_the_state_is_removed(paths: Paths, dead: Ticket) -> None:
    known, new = dead.new_ref(), dead.new_ref()
    for ref in (known, new, "b0000000f"):
        paths.archive(ref).write_text("{}\n")
        paths.keys(ref).write_text("{}\n")
    paths.job(f"s{new[1:]}").write_text("{}")
    die(dead)
    settle(paths, Snapshot(1, (batch(known),), {"s1": submission(known)}))
    assert left(paths) == sorted(f"{ref}{end}" for ref in (known, "b0000000f") for end in (".jsonl", ".keys.jsonl"))


def test_a_living_ticket_and_an_unreadable_state_decide_nothing(paths: Paths, dead: Ticket) -> None:
    paths.archive(dead.new_ref()).write_text("{}\n")
    before = left(paths)
    settle(paths, Snapshot())
    assert left(paths) == before
    die(dead)
    settle(paths, None)
    assert left(paths) == before
    settle(paths, Snapshot())
    assert left(paths) == []


def test_a_ticket_that_was_cut_off_still_counts_as_far_as_it_goes(paths: Paths, dead: Ticket) -> None:
    ref = dead.new_ref()
    paths.archive(ref).write_text("{}\n")
    assert dead._file
    dead._file.write(b'{"ref":"../../x"}\n{"path":"/ho')
    dead._file.flush()
    die(dead)
    settle(paths, Snapshot())
    assert left(paths) == []


def test_a_path_in_it_is_removed_only_under_a_name_of_ours_and_when_nobody_uses_it(
    paths: Paths, dead: Ticket, tmp_path: Path
) -> None:
    stage, used, mine = (tmp_path / name for name in (".batchtui.0a1b2c3d.part", ".a.csv.0a1b2c3d.part", "a.csv"))
    link = tmp_path / ".b.csv.0a1b2c3d.part"
    stage.mkdir()
    (stage / "a.csv").write_text("half")
    used.write_text("a program that the dead process started reads this")
    mine.write_text("mine")
    link.symlink_to(mine)
    for path in (stage, used, mine, link):
        dead.note_path(path)
    die(dead)
    reader = os.open(used, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_EX)
    settle(paths, Snapshot())
    assert not stage.exists()
    assert used.exists()
    assert mine.read_text() == "mine"
    os.close(reader)
    settle(paths, Snapshot())
    assert not used.exists()
    assert mine.read_text() == "mine"


def test_work_goes_on_without_a_ticket_if_none_can_be_written(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file is in the way")
    with Ticket(paths) as ticket:
        assert ticket.new_ref().startswith("b")
    assert abandoned(paths) == []
