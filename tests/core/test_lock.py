"""The lock has one holder at a time, across threads, objects and processes, and never a dead one."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from batchtui.core.errors import Busy, StateError
from batchtui.core.lock import Lock

HOLDER = """
import sys, time
from pathlib import Path
from batchtui.core.lock import Lock
lock = Lock(Path(sys.argv[1]))
print(lock.try_acquire(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "state.lock"


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_two_locks_on_one_path_exclude_each_other_in_one_process(path: Path) -> None:
    one, other = Lock(path), Lock(path)
    assert one.try_acquire()
    assert not other.try_acquire()
    one.release()
    assert other.try_acquire()
    assert not one.try_acquire()
    other.release()


def test_whoever_holds_it_is_refused_a_second_time_and_one_release_frees_it(path: Path) -> None:
    lock = Lock(path)
    assert lock.try_acquire()
    assert not lock.try_acquire()
    lock.release()
    lock.release()
    assert Lock(path).try_acquire()


def test_one_object_in_two_threads_excludes_and_hands_over(path: Path) -> None:
    lock, order = Lock(path), []

    def second() -> None:
        with lock.held(60):
            order.append("second")

    with lock.held(1):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_another_process_is_refused_with_words_and_a_hint(path: Path) -> None:
    process = holder(path)
    try:
        lock = Lock(path)
        assert not lock.try_acquire()
        before = time.monotonic()
        with pytest.raises(Busy) as caught:
            lock.acquire(0.2)
        assert time.monotonic() - before >= 0.2
        assert "Another batchtui" in caught.value.message
        assert str(path) in caught.value.message
        assert caught.value.hint
    finally:
        end(process)


def test_a_killed_holder_gives_it_back(path: Path) -> None:
    process = holder(path)
    assert not Lock(path).try_acquire()
    end(process)
    assert Lock(path).try_acquire()


def test_a_child_that_outlives_the_holder_does_not_keep_it(path: Path) -> None:
    lock = Lock(path)
    lock.acquire(1)
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    try:
        lock.release()
        assert Lock(path).try_acquire()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_block_that_fails_gives_it_back(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Lock(path).held(1):
        _ = 1 / 0
    assert Lock(path).try_acquire()


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_the_file_is_ours_alone_and_stays(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        lock = Lock(path)
        lock.acquire(1)
        inode = path.stat().st_ino
        lock.release()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.stat().st_ino == inode


def test_a_link_in_its_place_is_refused_and_its_target_untouched(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.parent.mkdir(mode=0o700)
    path.symlink_to(victim)
    lock = Lock(path)
    with pytest.raises(StateError) as caught:
        lock.try_acquire()
    assert str(path) in caught.value.message
    assert victim.read_text() == "precious"
    path.unlink()
    assert lock.try_acquire()


def test_a_folder_in_its_place_is_a_state_error(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)
    with pytest.raises(StateError):
        Lock(path).acquire(1)


def test_a_file_where_the_folder_should_be_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StateError) as caught:
        Lock(tmp_path / "data" / "state.lock").try_acquire()
    assert "BATCHTUI_HOME" in caught.value.hint
