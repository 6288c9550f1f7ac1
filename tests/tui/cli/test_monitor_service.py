"""`monitor` as a service manager runs it: what it is told, which signals do what, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from batchtui.core.simulator.faults import Stall
from tests.conftest import KEY, PATIENCE, World, until


class Manager:
    """A service manager's end of the socket. `said` are the messages so far."""

    def __init__(self, folder: str) -> None:
        self.name = f"{folder}/notify"
        self.said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.name)
        self._socket.setblocking(False)

    def heard(self, word: str, times: int = 1) -> bool:
        """Whether a line that begins with `word` was told so many times by now."""
        while True:
            try:
                self.said.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                lines = [line for one in self.said for line in one.split("\n")]
                return sum(line.startswith(word) for line in lines) >= times

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    with TemporaryDirectory() as folder:
        made = Manager(folder)
        yield made
        made.close()


def start(world: World, manager: Manager, *arguments: str) -> subprocess.Popen[str]:
    environment = {**world.environment, "NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "400000"}
    return subprocess.Popen(
        [sys.executable, "-m", "batchtui.tui", "monitor", *arguments],
        cwd=world.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def log(world: World) -> str:
    return world.paths.log_file.read_text() if world.paths.log_file.exists() else ""


def test_a_service_is_told_what_happens_reads_its_settings_again_and_ends_during_a_download(
    world: World, manager: Manager
) -> None:
    """One process for all of it: they are slow to start."""
    world.control.settings(duration=3600)
    batch_id = world.run("submit", str(world.rows(3))).stdout.strip()
    process = start(world, manager, "--interval", "0.5")
    try:
        until(lambda: manager.heard("READY=1"))
        assert manager.said[0] == "READY=1\nSTATUS=Polls"
        until(lambda: manager.heard("WATCHDOG=1", 3))
        until(lambda: manager.heard("STATUS=1 batch under way; next look at "))

        world.configure(log_format="yaml")
        process.send_signal(signal.SIGHUP)
        until(lambda: manager.heard("RELOADING=1") and manager.heard("READY=1", 2))
        assert "ERROR" in log(world)
        assert "log_format" in log(world).split("The old settings stay")[1]
        looks = len(world.control.calls("get"))
        until(lambda: len(world.control.calls("get")) > looks + 1)

        world.configure(log_format="json")
        process.send_signal(signal.SIGHUP)
        until(lambda: manager.heard("RELOADING=1", 2) and manager.heard("READY=1", 3))
        until(lambda: '"message":"config.toml was read again"' in log(world))

        world.control.fault("results", Stall("mid_answer", seconds=600.0), times=None)
        world.control.finish(batch_id)
        until(lambda: world.control.calls("results"))
        heard = sum("WATCHDOG=1" in one for one in manager.said)
        until(lambda: manager.heard("WATCHDOG=1", heard + 4))

        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert time.monotonic() - asked < 5.0
        assert manager.heard("STOPPING=1")
        assert not world.paths.result(batch_id).exists()
        assert not list(world.paths.results.glob(".*.part"))
        assert '"message":"monitor ends, as asked"' in log(world)
        assert KEY not in log(world) + "".join(manager.said)
    finally:
        stop(process)


def test_a_create_at_the_host_gets_its_answer_before_the_process_ends(world: World, manager: Manager) -> None:
    world.control.settings(duration=0.1)
    job = world.folder / "two.toml"
    (world.folder / "in.csv").write_text("id\n1\n2\n")
    request = '[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 64\nuser = "{{ id }}"\n'
    then = request.replace("request", "step.request").replace("{{ id }}", "{{ answers.first.text }}")
    job.write_text(
        f'name = "first"\n[source]\npath = "in.csv"\nkey = "k{{{{ id }}}}"\n{request}[[step]]\nname = "then"\n{then}'
    )
    submitted = world.run("submit", str(job))
    assert submitted.returncode == 0, submitted.stderr
    world.control.fault("create", Stall("before", seconds=2.0))
    process = start(world, manager, "--interval", "0.3")
    try:
        until(lambda: len(world.control.calls("create")) == 2)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
    finally:
        stop(process)
    states = [one["state"] for one in world.once()[1]["batches"]]
    assert "unconfirmed" not in states
    assert len(states) == 2
    assert len(world.control.calls("create")) == 2


def test_with_nothing_under_way_it_needs_little_and_has_not_imported_the_sdk(world: World, manager: Manager) -> None:
    process = start(world, manager)
    try:
        until(lambda: manager.heard("WATCHDOG=1", 2))
        running = psutil.Process(process.pid)
        assert running.memory_info().rss < 35e6
        maps = Path(f"/proc/{process.pid}/maps")
        if maps.exists():
            assert not [line for line in maps.read_text().splitlines() if "pydantic" in line]
    finally:
        stop(process)
    assert not world.control.calls()
