"""A process that holds one of our locks and is stopped, by Ctrl-Z or a paused container: it is said, and not 0."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.conftest import Shop
from tests.chaos.hostile_host import Host
from tests.conftest import PATIENCE, World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who holds a lock")

HOLDS = """
import os, signal, sys
from pathlib import Path
from batchtui.core.lock import Lock
lock = Lock(Path(sys.argv[1]))
assert lock.try_acquire()
os.kill(os.getpid(), signal.SIGSTOP)
"""

JOB = """
name = "daily"

[source]
path = "rows.csv"
key = "{{ number }}"

[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ number }}"

[[output]]
kind = "jsonl"
path = "answers.jsonl"
"""


def stopped(process: subprocess.Popen[Any]) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.fixture
def holder(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """Holds the lock of outputs, and is stopped."""
    world.home.mkdir(mode=0o700, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(world.paths.outputs_lock)], env=world.environment)
    until = time.monotonic() + PATIENCE
    while not stopped(process) and time.monotonic() < until:
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


def test_outputs_that_a_stopped_process_holds_up_are_said_at_every_run(
    shop: Shop, host: Host, holder: subprocess.Popen[bytes]
) -> None:
    (shop.world.folder / "rows.csv").write_text("number\n1\n2\n")
    (shop.world.folder / "daily.toml").write_text(JOB)
    assert shop.run("submit", "daily.toml", "--yes").returncode == 0
    host.finish()
    for _ in range(2):
        code, said = shop.json("--once")
        assert (code, [one["code"] for one in said["errors"]]) == (1, ["poller_stalled"])
        assert f"pid {holder.pid} holds outputs.lock and is stopped" in said["errors"][0]["message"]
        assert f"kill -CONT {holder.pid}" in said["errors"][0]["hint"]
    holder.send_signal(signal.SIGCONT)
    holder.wait(PATIENCE)
    assert shop.run("--once").returncode == 0
    assert len((shop.world.folder / "answers.jsonl").read_text().splitlines()) == 2


def test_a_submit_that_is_stopped_while_it_sends_is_said_by_all_others(processes: Shop, host: Host) -> None:
    gate: list[bool] = []

    def held(host: Host, key: str, true: object) -> None:
        until = time.monotonic() + PATIENCE
        while not gate and time.monotonic() < until:
            time.sleep(0.02)

    host.lie("create", held)
    environment = {
        **processes.world.environment,
        "ANTHROPIC_BASE_URL": host.url,
        "ANTHROPIC_API_KEY": "sk-ant-first-0001",
    }
    sender = subprocess.Popen(
        [sys.executable, "-m", "batchtui.tui", "submit", str(processes.rows())],
        cwd=processes.world.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + PATIENCE
        while not host.calls("create") and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(sender.pid, signal.SIGSTOP)
        code, said = processes.json("--once")
        assert code == 1
        assert json.dumps(said["errors"]).count(f"pid {sender.pid} holds submit.lock and is stopped") == 1
    finally:
        gate.append(True)
        os.kill(sender.pid, signal.SIGCONT)
    assert sender.wait(PATIENCE) == 0
    assert processes.run("--once").returncode == 0
