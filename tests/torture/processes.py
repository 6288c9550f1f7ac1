"""Real batchtui processes, started by `starter`, and killed at planned moments of what the host is asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.measure import ROOT

LONGEST = 60.0
"""Seconds that a process may take that nobody kills."""


@dataclass
class Kill:
    """When to kill: so many seconds after the start, or at a moment of a call: before, made, answered."""

    after: float | None = None
    call: str = ""
    moment: str = ""


@dataclass
class Process:
    """A process under way."""

    pid: int
    key: str
    kill: Kill | None
    said: Path
    over: threading.Event = field(default_factory=threading.Event)
    status: int = 0

    def text(self) -> str:
        return self.said.read_text(errors="replace") if self.said.exists() else ""


class Processes:
    """Starts, watches and kills."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._guard = threading.Lock()
        self._asking = threading.Lock()
        self._began: list[int] = []
        self._came = threading.Condition()
        self._running: dict[int, Process] = {}
        self._ended: dict[int, int] = {}
        self._number = 0
        self._starter = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.starter"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def strike(self, call: str, key: str, moment: str) -> None:
        """Kills the first process that was to be killed at this moment."""
        with self._guard:
            for one in self._running.values():
                if one.kill and (one.key, one.kill.call, one.kill.moment) == (key, call, moment):
                    self._end(one)
                    return

    def run(
        self, key: str, *arguments: str, kill: Kill | None = None, later: float = 0.0, stop: float = 0.0
    ) -> Process:
        """Runs a command line to its end, or until it is killed; after `stop` seconds it is asked to end."""
        with self._asking:
            self._number += 1
            said = self._folder / f"{self._number}.txt"
            asked = {
                "run": arguments,
                "environment": {**self._environment, "ANTHROPIC_API_KEY": key},
                "folder": str(self._folder),
                "said": str(said),
                "later": later,
            }
            assert self._starter.stdin
            self._starter.stdin.write(json.dumps(asked).encode() + b"\n")
            self._starter.stdin.flush()
            with self._came:
                self._came.wait_for(lambda: self._began)
                pid = self._began.pop()
            one = Process(pid, key, kill, said)
            with self._guard:
                self._running[pid] = one
                if pid in self._ended:
                    self._over(pid, self._ended.pop(pid))
        if kill and kill.after is not None and not one.over.wait(kill.after):
            with self._guard:
                self._end(one)
        if stop and not one.over.wait(stop):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if not one.over.wait(LONGEST):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            one.over.wait()
            one.status = -99
        return one

    def close(self) -> None:
        assert self._starter.stdin
        self._starter.stdin.close()
        self._starter.wait()

    def _end(self, one: Process) -> None:
        if not one.over.is_set():
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)

    def _listen(self) -> None:
        assert self._starter.stdout
        for line in self._starter.stdout:
            word, pid, *rest = line.split()
            if word == b"began":
                with self._came:
                    self._began.append(int(pid))
                    self._came.notify_all()
            else:
                with self._guard:
                    if int(pid) in self._running:
                        self._over(int(pid), int(rest[0]))
                    else:
                        self._ended[int(pid)] = int(rest[0])

    def _over(self, pid: int, status: int) -> None:
        one = self._running.pop(pid)
        one.status = status
        one.over.set()


@contextmanager
def processes(folder: Path, environment: dict[str, str]) -> Iterator[Processes]:
    made = Processes(folder, environment)
    try:
        yield made
    finally:
        made.close()
