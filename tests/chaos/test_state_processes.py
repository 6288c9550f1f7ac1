"""Several processes on one state, and processes killed while they write it."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchtui.core.batches.batch import Snapshot
from batchtui.core.paths import Paths
from batchtui.core.state.store import Store

WRITERS = Path(__file__).with_name("state_writers.py")
KILLS = 200


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    home = tmp_path / "home"
    return Paths(data=home, config=home, log=home)


class Writers:
    """The process that forks the writers."""

    def __init__(self, paths: Paths) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WRITERS), str(paths.data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        assert self.line() == "ready"

    def ask(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def until_over(self) -> list[int]:
        """The numbers that were reported as saved."""
        saved = []
        while (line := self.line()) != "over":
            assert line.startswith(("saved ", "pid ")), line
            if line.startswith("saved "):
                saved.append(int(line.split()[1]))
        return saved


@pytest.fixture
def writers(paths: Paths) -> Iterator[Writers]:
    writers = Writers(paths)
    yield writers
    os.killpg(writers.process.pid, signal.SIGKILL)
    writers.process.communicate()


def numbers(snapshot: Snapshot) -> dict[str, int]:
    return {batch.ref: batch.request_counts.processing for batch in snapshot.batches}


def test_four_processes_with_250_transactions_each_keep_all_1000(paths: Paths, writers: Writers) -> None:
    watching = Store(paths)
    seen = watching.snapshot()
    begun = seen.revision
    revisions = [begun]
    made = 0
    while len(revisions) <= 3:  # however rarely this process gets its turn
        writers.ask("count 4 250")
        made += 1000
        writing = threading.Thread(target=writers.until_over, daemon=True)
        writing.start()
        while writing.is_alive():
            time.sleep(0.002)
            before, seen = seen, watching.snapshot()
            if seen is not before:
                revisions.append(seen.revision)
                assert numbers(seen)["left"] == seen.revision - begun
        snapshot = Store(paths).snapshot()
        assert snapshot.revision == begun + made
        assert numbers(snapshot)["left"] == made
    assert revisions == sorted(set(revisions))


def test_200_kills_tear_nothing_and_lose_nothing_that_was_acknowledged(paths: Paths, writers: Writers) -> None:
    moments = random.Random(20261122)
    number, hits, pace = 0, 0, 0.01
    for kill in range(KILLS):
        writers.ask("pair")
        pid = int(writers.line().removeprefix("pid "))
        saved = []
        if kill % 2:  # otherwise as likely before its first transaction as after
            saved.append(int(writers.line().removeprefix("saved ")))
            begun = time.monotonic()
            saved.append(int(writers.line().removeprefix("saved ")))
            pace = time.monotonic() - begun  # how long one takes on this machine
        time.sleep(moments.uniform(0, 2 * min(pace, 0.5)))
        os.kill(pid, signal.SIGKILL)
        saved += writers.until_over()
        after = numbers(Store(paths).snapshot())
        assert after["left"] == after["right"], f"torn by kill {kill}"
        number = max([number, *saved])
        assert number <= after["left"] <= number + 1, f"after kill {kill}"
        assert len(after) == 102
        number = after["left"]
        left_over = list(paths.data.glob(".*.part"))
        hits += len(left_over)
        assert len(left_over) <= 1
    assert number >= KILLS
    assert hits > 10, "the kills missed the writing"
    with Store(paths).transaction() as tx:
        tx.forget("left")
    assert sorted(entry.name for entry in paths.data.iterdir()) == ["state.json", "state.lock"]
