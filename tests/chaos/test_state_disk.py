"""Disks that are full, failing or read-only: the state stays as it was, and the error is reported."""

import asyncio
import errno
import fcntl
import io
import os
import pwd
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State
from batchtui.core.desk.desk import open_desk
from batchtui.core.errors import StateError
from batchtui.core.paths import Paths
from batchtui.core.state.store import Store

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CALLS = ("open", "write", "fsync", "replace", "flock")


def at(home: Path) -> Paths:
    return Paths(data=home, config=home, log=home)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return at(tmp_path / "home")


def batch(ref: str, name: str = "") -> Batch:
    return Batch(ref=ref, name=name, submission="s", submitted_at=NOW, requests=1, state=State.SUBMITTING)


def put(store: Store, *batches: Batch) -> None:
    with store.transaction() as tx:
        tx.put(*batches)


def refs(paths: Paths) -> set[str]:
    return {found.ref for found in Store(paths).snapshot().batches}


def files(paths: Paths) -> list[str]:
    return sorted(entry.name for entry in paths.data.iterdir())


class Fault:
    """Makes call number `at` of all calls in a save fail; remembers which one it was."""

    def __init__(self, number: int, code: int) -> None:
        self.number = number
        self.code = code
        self.armed = False
        self.calls = 0
        self.failed: str | None = None

    def before(self, name: str) -> None:
        if self.armed:
            self.calls += 1
            if self.calls == self.number:
                self.failed = name
                raise OSError(self.code, os.strerror(self.code))

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.before(name)
            return real(*arguments, **named)

        return call

    def install(self, patch: pytest.MonkeyPatch) -> None:
        fault = self

        class File(io.FileIO):
            def write(self, data: Any) -> int:
                fault.before("write")
                return super().write(data)

        def fdopen(descriptor: int, *_: object, **__: object) -> io.BufferedWriter:
            return io.BufferedWriter(File(descriptor, "wb"))

        patch.setattr(os, "fdopen", fdopen)
        patch.setattr(fcntl, "flock", self.wrap("flock", fcntl.flock))
        for name in ("open", "fsync", "replace"):
            patch.setattr(os, name, self.wrap(name, getattr(os, name)))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_whatever_call_of_a_save_fails_the_state_is_old_or_new_and_what_was_acknowledged_stays(
    paths: Paths, code: int
) -> None:
    acknowledged: set[str] = set()
    failed: list[str] = []
    store = Store(paths)
    put(store, batch("first"))
    for number in range(1, 100):
        fault = Fault(number, code)
        ref = f"b{number}"
        before = refs(paths)
        with pytest.MonkeyPatch.context() as patch:
            fault.install(patch)
            fault.armed = True
            try:
                put(store, batch(ref, "x" * 20_000))
                acknowledged.add(ref)
            except StateError as error:
                assert str(paths.data) in error.message
                assert error.hint
            fault.armed = False
        if fault.failed is None:
            break
        failed.append(fault.failed)
        after = refs(paths)
        assert after in (before, before | {ref}), f"call {number}, {fault.failed}"
        assert acknowledged <= after, f"call {number}, {fault.failed}"
        assert files(paths) == ["state.json", "state.lock"]
        assert {found.ref for found in store.snapshot().batches} == after
    else:
        pytest.fail("every run failed")
    assert set(failed) == set(CALLS)
    assert failed.count("fsync") == 2
    put(store, batch("last"))
    assert acknowledged | {"first", "last"} <= refs(paths)


@contextmanager
def nearly_full(folder: Path) -> Iterator[None]:
    """A disk of 300 kB if we may mount one; otherwise files that may not grow beyond 100 kB."""
    folder.mkdir()
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k,mode=0700", "tmpfs", str(folder)], capture_output=True
        ).returncode
    )
    if not mounted:
        with small_files():
            yield
        return
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def small_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def fill(paths: Paths) -> tuple[StateError, set[str]]:
    store, acknowledged = Store(paths), set[str]()
    for number in range(200):
        try:
            put(store, batch(f"b{number}", "x" * 5_000))
        except StateError as error:
            return error, acknowledged
        acknowledged.add(f"b{number}")
    pytest.fail("the disk never got full")


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    paths = at(tmp_path / "disk")
    with nearly_full(paths.data):
        error, acknowledged = fill(paths)
        assert len(acknowledged) > 5
        assert "could not be saved" in error.message
        assert "What was saved before is still there" in error.hint
        assert refs(paths) == acknowledged
        assert files(paths) == ["state.json", "state.lock"]
        with Store(paths).transaction() as tx:
            for ref in sorted(acknowledged)[1:]:
                tx.forget(ref)
        put(Store(paths), batch("after"))
        assert refs(paths) == {min(acknowledged), "after"}


def test_a_file_that_may_not_grow_further_is_said_and_loses_nothing(paths: Paths) -> None:
    with small_files():
        error, acknowledged = fill(paths)
    assert "could not be saved" in error.message
    assert os.strerror(errno.EFBIG) in error.message
    assert refs(paths) == acknowledged
    assert files(paths) == ["state.json", "state.lock"]
    put(Store(paths), batch("after"))
    assert refs(paths) == acknowledged | {"after"}


def without_privileges(act: Callable[[], None]) -> str:
    """What `act` raised, as text, in a child that file modes bind; `fine` if nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                nobody = pwd.getpwnam("nobody")
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
            act()
            said = "fine"
        except BaseException as error:  # noqa: BLE001
            said = f"{type(error).__name__}: {error} {getattr(error, 'hint', '')}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def theirs() -> Iterator[Paths]:
    """A home that an unprivileged process can reach and owns."""
    top = Path(tempfile.mkdtemp(prefix="batchtui-"))
    top.chmod(0o755)
    home = top / "home"
    home.mkdir(mode=0o700)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
    yield at(home)
    home.chmod(0o700)
    shutil.rmtree(top)


def test_a_read_only_folder_can_be_looked_at_and_a_change_is_refused_with_words(theirs: Paths) -> None:
    assert without_privileges(lambda: put(Store(theirs), batch("a"))) == "fine"
    content = theirs.state.read_bytes()
    theirs.data.chmod(0o500)

    def look() -> None:
        assert refs(theirs) == {"a"}

    assert without_privileges(look) == "fine"
    said = without_privileges(lambda: put(Store(theirs), batch("b")))
    assert said.startswith("StateError")
    assert "could not be saved" in said
    assert "still there" in said
    assert theirs.state.read_bytes() == content
    theirs.data.chmod(0o700)
    theirs.state_lock.unlink()
    theirs.data.chmod(0o500)
    said = without_privileges(lambda: put(Store(theirs), batch("b")))
    assert said.startswith("StateError")
    assert "cannot be locked" in said
    assert files(theirs) == ["state.json"]


def test_a_state_that_we_may_not_read_is_said_and_not_taken_for_none(theirs: Paths) -> None:
    assert without_privileges(lambda: put(Store(theirs), batch("a"))) == "fine"
    theirs.state.chmod(0)
    for act in (lambda: Store(theirs).snapshot(), lambda: put(Store(theirs), batch("b"))):
        said = without_privileges(act)  # type: ignore[arg-type]
        assert said.startswith("StateError")
        assert str(theirs.state) in said
    theirs.state.chmod(0o600)
    assert refs(theirs) == {"a"}


def test_results_in_a_folder_that_we_may_not_enter_are_said_not_to_be_readable(theirs: Paths) -> None:
    """A pathlib `exists` raises PermissionError there, which nobody above expects."""
    kept = replace(batch("a"), id="msgbatch_1", state=State.RETRIEVED, results_path=str(theirs.result("msgbatch_1")))
    assert without_privileges(lambda: put(Store(theirs), kept)) == "fine"
    theirs.results.mkdir()
    theirs.results.chmod(0)

    async def ask(verb: str) -> None:
        async with open_desk(theirs, {}, command="test", folder=theirs.data) as desk:
            known = await desk.find("a")
            if verb == "retrieve":
                await desk.retrieve("a")
            elif verb == "summary":
                await desk.summary(known)
            else:
                await desk.results(known)

    for verb in ("retrieve", "summary", "results"):
        said = without_privileges(lambda verb=verb: asyncio.run(ask(verb)))  # type: ignore[misc]
        assert said.startswith("StateError"), (verb, said)
        assert "Permission denied" in said
        assert "permissions" in said
