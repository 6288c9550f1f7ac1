"""One process polls; the others see which one it is and can ask it to look."""

import json
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batchtui.core.errors import Unreachable
from batchtui.core.paths import Paths
from batchtui.core.state import poller
from batchtui.core.state.poller import Election, Poller

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)

HOLDER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from batchtui.core.paths import Paths
from batchtui.core.state.poller import Election
home = Path(sys.argv[1])
election = Election(Paths(home, home, home), "the other", lambda: datetime.now(UTC))
print(election.stand(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    home = tmp_path / "home"
    return Paths(data=home, config=home, log=home)


def election(paths: Paths, command: str = "batchtui") -> Election:
    return Election(paths, command, lambda: NOW)


def holder(paths: Paths) -> subprocess.Popen[str]:
    """Another process that stands for election and keeps running."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(paths.data)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "True\n"
    return process


def test_of_two_only_one_is_elected_until_it_resigns(paths: Paths) -> None:
    first, second = election(paths, "first"), election(paths, "second")
    assert first.stand()
    assert not second.stand()
    assert first.stand()
    first.resign()
    assert second.stand()
    assert not first.stand()


def test_resigning_without_being_elected_takes_nothing_from_the_other(paths: Paths) -> None:
    first, second = election(paths), election(paths)
    assert first.stand()
    second.resign()
    assert not second.stand()
    assert second.who() is not None


def test_the_others_see_who_polls(paths: Paths) -> None:
    first, second = election(paths, "batchtui --once"), election(paths)
    assert second.who() is None
    first.stand()
    mine = first.who()
    seen = second.who()
    assert mine is not None
    assert mine.ours
    assert seen == Poller(pid=os.getpid(), host=socket.gethostname(), command="batchtui --once", since=NOW)
    assert seen.words() == f"batchtui --once, pid {os.getpid()}"
    first.resign()
    assert second.who() is None
    assert first.who() is None


def test_a_lock_whose_holder_says_nothing_is_held_all_the_same(paths: Paths) -> None:
    first, second = election(paths), election(paths)
    assert first.stand()
    paths.poller.unlink()
    other = second.who_else()
    assert other is not None
    assert (other.pid, other.words()) == (None, "another process")
    first.resign()
    assert second.who_else() is None


def test_who_has_just_been_elected_is_given_the_time_to_say_so(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "_SAYING", 60.0)
    first, second = election(paths, "first"), election(paths)
    assert first.stand()
    said = paths.poller.read_bytes()
    paths.poller.unlink()
    late = threading.Timer(0.05, paths.poller.write_bytes, [said])
    late.start()
    other = second.who_else()
    late.join()
    assert other is not None
    assert other.command == "first"


def test_another_machine_is_named() -> None:
    poller = Poller(pid=7, host="far", command="batchtui", since=NOW)
    assert poller.words() == "batchtui, pid 7 on far"


def test_a_failed_look_keeps_when_the_last_good_one_was(paths: Paths) -> None:
    first, second = election(paths), election(paths)
    first.stand()
    later = NOW + timedelta(minutes=1)
    first.announce(looked_at=NOW, next_at=later, failing=None)
    first.announce(looked_at=None, next_at=later, failing=Unreachable("The API could not be reached."))
    seen = second.who()
    assert seen is not None
    assert (seen.looked_at, seen.next_at, seen.failing) == (NOW, later, "The API could not be reached.")


def test_who_does_not_poll_has_nothing_to_announce(paths: Paths) -> None:
    election(paths).announce(looked_at=NOW, next_at=NOW, failing=None)
    assert not paths.poller.exists()


def test_another_process_keeps_us_out_and_its_sudden_death_lets_us_in(paths: Paths) -> None:
    other = holder(paths)
    try:
        ours = election(paths)
        assert not ours.stand()
        seen = ours.who()
        assert seen is not None
        assert (seen.pid, seen.command, seen.ours) == (other.pid, "the other", False)
    finally:
        other.kill()
        other.wait()
    assert paths.poller.exists()
    assert ours.who() is None
    assert ours.stand()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"pid": "x"}',
        *(
            json.dumps({"pid": pid, "host": socket.gethostname(), "command": "c", "since": NOW.isoformat()}).encode()
            for pid in (-1, 0, 2**70)
        ),
    ],
)
def test_a_file_that_makes_no_sense_means_nobody(paths: Paths, content: bytes) -> None:
    paths.data.mkdir(mode=0o700)
    paths.poller.write_bytes(content)
    assert election(paths).who() is None


def test_a_file_that_cannot_be_read_means_nobody(paths: Paths) -> None:
    paths.poller.mkdir(parents=True, mode=0o700)
    assert election(paths).who() is None


def test_looking_who_polls_makes_no_file(paths: Paths) -> None:
    ours = election(paths)
    assert ours.who() is None
    assert not ours.poked()
    assert not paths.data.exists()


def test_being_asked_to_look_is_told_once(paths: Paths) -> None:
    first, second = election(paths), election(paths)
    first.stand()
    assert not first.poked()
    for _ in range(100):  # also if file times tick more slowly than that
        second.poke()
        assert first.poked()
        assert not first.poked()


def test_what_was_asked_before_we_came_is_not_asked_of_us(paths: Paths) -> None:
    election(paths).poke()
    assert not election(paths).poked()


def test_the_files_are_for_nobody_else(paths: Paths) -> None:
    first = election(paths)
    first.stand()
    first.poke()
    assert [path.stat().st_mode & 0o777 for path in (paths.poller, paths.poke, paths.poller_lock)] == [0o600] * 3
    assert paths.data.stat().st_mode & 0o777 == 0o700
